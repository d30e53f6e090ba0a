#include "hooks/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hooks/site_finder.h"

/* One object of the loader's list: where it lies. */
struct span {
    uint64_t bias, low, high;
};

struct spans {
    struct span *span; /* NULL: only count */
    size_t count, room;
    uint64_t loads;
};

static int on_loads(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    *(uint64_t *)context = info->dlpi_adds;
    return 1;
}

uint64_t objects_loads(void)
{
    uint64_t loads = 0;
    dl_iterate_phdr(on_loads, &loads);
    return loads;
}

/* Under the loader's lock: nothing but copying. */
static int on_object(struct dl_phdr_info *info, size_t size, void *context)
{
    struct spans *spans = context;
    struct span span = {info->dlpi_addr, UINT64_MAX, 0};
    (void)size;
    spans->loads = info->dlpi_adds;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t from = info->dlpi_addr + p->p_vaddr;
        if (p->p_type != PT_LOAD)
            continue;
        span.low = from < span.low ? from : span.low;
        span.high = from + p->p_memsz > span.high ? from + p->p_memsz : span.high;
    }
    if (spans->span && spans->count < spans->room)
        spans->span[spans->count] = span;
    spans->count++;
    return 0;
}

static int list_spans(struct spans *spans)
{
    *spans = (struct spans){0};
    dl_iterate_phdr(on_object, spans);
    spans->room = spans->count + 16;
    spans->span = calloc(spans->room, sizeof *spans->span);
    if (!spans->span)
        return -ENOMEM;
    spans->count = 0;
    dl_iterate_phdr(on_object, spans);
    if (spans->count > spans->room) /* loaded in between: the next look finds them */
        spans->count = spans->room;
    return 0;
}

/* The number at *at in `base`, and *at moved behind it and the character after it. */
static uint64_t number(char **at, int base)
{
    uint64_t value = strtoull(*at, at, base);
    if (**at)
        ++*at;
    return value;
}

/* start-end access offset major:minor inode path; by hand, for sscanf takes longer than the kernel's own
 * part. Most lines are of no interest, which their access shows. */
static bool parse_line(char *line, struct object *o)
{
    char *at = strchr(line, ' ');
    if (!at || strlen(at) < 5 || at[3] != 'x')
        return false;
    char *path = strchr(at, '/');
    at = line;
    o->start = number(&at, 16);
    o->end = number(&at, 16);
    at += 5; /* access */
    o->offset = number(&at, 16);
    o->major = (uint32_t)number(&at, 16);
    o->minor = (uint32_t)number(&at, 16);
    o->inode = number(&at, 10);
    if (o->inode == 0 || !path || path < at)
        return false;
    o->path = path;
    o->path[strcspn(o->path, "\n")] = '\0';
    return true;
}

/* Room for one more, or NULL. */
static struct object *add(struct objects *objects, size_t *room, const struct object *o)
{
    if (objects->count == *room) {
        size_t more = *room ? 2 * *room : 64;
        struct object *grown = realloc(objects->object, more * sizeof *grown);
        if (!grown)
            return NULL;
        objects->object = grown;
        *room = more;
    }
    struct object *to = &objects->object[objects->count];
    *to = *o;
    to->path = strdup(o->path);
    if (!to->path)
        return NULL;
    objects->count++;
    return to;
}

/* An object may have several executable mappings: the first stands for it. */
static bool is_known(const struct objects *objects, const struct object *o)
{
    for (size_t i = objects->count; i-- > 0;) {
        const struct object *known = &objects->object[i];
        if (o->listed ? known->listed && known->bias == o->bias
                      : !known->listed && known->inode == o->inode && known->end == o->start)
            return true;
    }
    return false;
}

static void find_span(struct object *o, const struct spans *spans)
{
    for (size_t i = 0; i < spans->count && !o->listed; i++)
        if (spans->span[i].low <= o->start && o->start < spans->span[i].high) {
            o->bias = spans->span[i].bias;
            o->is_exe = i == 0;
            o->listed = true;
        }
}

static int read_maps(struct objects *objects, const struct spans *spans)
{
    char *line = NULL, buffer[4096]; /* what the kernel fills at once; stdio would take a quarter of it */
    size_t line_room = 0, room = 0;
    int error = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return -errno;
    setvbuf(maps, buffer, _IOFBF, sizeof buffer);
    while (!error && getline(&line, &line_room, maps) > 0) {
        struct object o = {0};
        if (!parse_line(line, &o))
            continue;
        find_span(&o, spans);
        if (!is_known(objects, &o) && !add(objects, &room, &o))
            error = -ENOMEM;
    }
    free(line);
    fclose(maps);
    return error;
}

/* Load order: the program first, then as the loader has them. */
static void sort_listed(struct objects *objects, const struct spans *spans)
{
    size_t at = 0;
    for (size_t i = 0; i < spans->count; i++)
        for (size_t j = at; j < objects->count; j++)
            if (objects->object[j].listed && objects->object[j].bias == spans->span[i].bias) {
                struct object o = objects->object[j];
                objects->object[j] = objects->object[at];
                objects->object[at++] = o;
                break;
            }
}

int objects_list(struct objects *objects)
{
    struct spans spans;
    *objects = (struct objects){0};
    int error = list_spans(&spans);
    if (!error)
        error = read_maps(objects, &spans);
    if (!error)
        sort_listed(objects, &spans);
    objects->loads = spans.loads;
    free(spans.span);
    if (error)
        objects_free(objects);
    return error;
}

void objects_free(struct objects *objects)
{
    for (size_t i = 0; i < objects->count; i++)
        free(objects->object[i].path);
    free(objects->object);
    *objects = (struct objects){0};
}

bool memory_read(uint64_t address, void *to, size_t size)
{
    int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && pread(fd, to, size, (off_t)address) == (ssize_t)size;
    if (fd >= 0)
        close(fd);
    return done;
}

/* Some file systems show another device in maps than in stat (btrfs, overlayfs): the inode says enough, with
   the headers. */
static bool is_same_inode(const struct object *o)
{
    struct stat status;
    return stat(o->path, &status) == 0 && status.st_ino == o->inode;
}

static bool is_same_in_memory(const struct object *o, const struct elf_file *file, uint64_t address,
                              uint64_t size)
{
    uint8_t here[4096];
    const uint8_t *there = elf_file_at(file, address, size);
    return there && size <= sizeof here && memory_read(address + o->bias, here, size) &&
           memcmp(here, there, size) == 0;
}

/* The ELF and program headers, where a segment holds them, and the build-id; without one the inode. */
static bool is_genuine(const struct object *o, const struct elf_file *file)
{
    Elf64_Ehdr header;
    memcpy(&header, file->bytes, sizeof header);
    uint64_t size = header.e_phoff + (uint64_t)header.e_phnum * header.e_phentsize;
    for (size_t i = 0; i < file->segment_count; i++) {
        const struct elf_segment *s = &file->segments[i];
        if (s->offset == 0 && size <= s->file_size && size <= 4096 &&
            !is_same_in_memory(o, file, s->address, size))
            return false;
    }
    if (file->build_id_size)
        return is_same_in_memory(o, file, file->build_id_address, file->build_id_size);
    return is_same_inode(o);
}

int object_open(struct object *object, struct elf_file *file)
{
    size_t length = strlen(object->path), tail = sizeof OBJECT_DELETED - 1;
    if (length > tail && strcmp(object->path + length - tail, OBJECT_DELETED) == 0)
        return SITE_replaced;
    int error = elf_file_open(file, object->path);
    if (error)
        return SITE_unreadable;
    if ((object->listed || elf_file_bias(file, object->start, object->offset, &object->bias)) &&
        is_genuine(object, file))
        return SITE_patchable;
    elf_file_close(file);
    return SITE_replaced;
}
