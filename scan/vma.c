#include "scan/vma.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "scan/prim.h"

/* include/uapi/linux/fs.h: struct procmap_query. */
struct query_argument {
    uint64_t size, query_flags, query_address;
    uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
    uint32_t device_major, device_minor, name_size, build_id_size;
    uint64_t name_address, build_id_address;
};
#define PROCMAP_QUERY_REQUEST _IOWR('f', 17, struct query_argument)

int vma_query_name(int maps, uintptr_t address, struct vma *vma, char *name, size_t size)
{
    struct query_argument argument = {
        .size = sizeof argument,
        .query_address = address,
        .name_size = (uint32_t)size,
        .name_address = (uintptr_t)name,
    };
    long result = prim_ioctl(maps, PROCMAP_QUERY_REQUEST, &argument);
    if (prim_failed(result))
        return (int)result;
    if (size && argument.name_size == 0)
        name[0] = 0;
    *vma = (struct vma){
        .start = argument.vma_start,
        .end = argument.vma_end,
        .offset = argument.vma_offset,
        .inode = argument.inode,
        .device_major = argument.device_major,
        .device_minor = argument.device_minor,
        .flags = (uint32_t)argument.vma_flags,
        .page_size = (uint32_t)argument.vma_page_size,
    };
    /* An answer about another place would be another process's, or a broken kernel's. */
    return vma->start <= address && address < vma->end ? 0 : -ENOENT;
}

int vma_query(int maps, uintptr_t address, struct vma *vma)
{
    return vma_query_name(maps, address, vma, NULL, 0);
}

/* A window on the text of maps, refilled as it is read. */
struct text_window {
    int fd;
    int64_t offset;
    int length, at;
    char bytes[128];
};

static int next_byte(struct text_window *text)
{
    if (text->at == text->length) {
        long count = prim_pread(text->fd, text->bytes, sizeof text->bytes, text->offset);
        if (count <= 0)
            return -1;
        text->offset += count;
        text->length = (int)count;
        text->at = 0;
    }
    return (unsigned char)text->bytes[text->at++];
}

/* Reads digits of base 10 or 16 and the one byte after them, which it returns. */
static int read_number(struct text_window *text, unsigned base, uint64_t *value)
{
    *value = 0;
    for (;;) {
        int byte = next_byte(text);
        unsigned digit = byte >= '0' && byte <= '9'   ? (unsigned)(byte - '0')
                         : byte >= 'a' && byte <= 'f' ? (unsigned)(byte - 'a') + 10
                                                      : 99;
        if (digit >= base)
            return byte;
        *value = *value * base + digit;
    }
}

/* The rest of a line: the path, after its padding. */
static void read_name(struct text_window *text, char *name, size_t size)
{
    size_t length = 0;
    bool started = false;
    for (int byte = next_byte(text); byte >= 0 && byte != '\n'; byte = next_byte(text)) {
        started = started || byte != ' ';
        if (started && length + 1 < size)
            name[length++] = (char)byte;
    }
    if (size)
        name[length] = 0;
}

static bool read_line(struct text_window *text, struct vma *vma, char *name, size_t size)
{
    uint64_t start, end, major, minor;
    if (read_number(text, 16, &start) != '-' || read_number(text, 16, &end) != ' ')
        return false;
    int read = next_byte(text), write = next_byte(text), execute = next_byte(text), share = next_byte(text);
    *vma = (struct vma){.start = start, .end = end, .page_size = PAGE};
    vma->flags = (read == 'r' ? VMA_READABLE : 0) | (write == 'w' ? VMA_WRITABLE : 0) |
                 (execute == 'x' ? VMA_EXECUTABLE : 0) | (share == 's' ? VMA_SHARED : 0);
    if (next_byte(text) != ' ' || read_number(text, 16, &vma->offset) != ' ' ||
        read_number(text, 16, &major) != ':' || read_number(text, 16, &minor) != ' ')
        return false;
    vma->device_major = (uint32_t)major;
    vma->device_minor = (uint32_t)minor;
    int after = read_number(text, 10, &vma->inode);
    if (after == '\n') {
        if (size)
            name[0] = 0;
        return true;
    }
    read_name(text, name, size);
    return after == ' ';
}

/* Its window does not belong in a caller's frame. */
__attribute__((noinline)) int vma_read(int maps, uintptr_t address, struct vma *vma, char *name, size_t size)
{
    struct text_window text = {.fd = maps};
    while (read_line(&text, vma, name, size)) {
        if (address < vma->start)
            return -ENOENT;
        if (address < vma->end)
            return 0;
    }
    return text.length > 0 ? -ENOENT : -EIO;
}

int vma_check_unlocked(uintptr_t start, size_t length)
{
    return (int)prim_msync(start, length, MS_INVALIDATE);
}
