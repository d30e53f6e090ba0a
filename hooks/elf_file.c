#include "hooks/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const error_texts[] = {
#define ELF_ERROR(name, text) text,
    ELF_ERRORS(ELF_ERROR)
#undef ELF_ERROR
};

const char *elf_error_text(int error)
{
    int index = error - ELF_ERROR_FIRST - 1;
    if (index >= 0 && index < (int)(sizeof error_texts / sizeof *error_texts))
        return error_texts[index];
    return strerror(-error);
}

const uint8_t *elf_file_at(const struct elf_file *file, uint64_t address, uint64_t size)
{
    for (size_t i = 0; i < file->segment_count; i++) {
        const struct elf_segment *s = &file->segments[i];
        if (address < s->address || address - s->address > s->file_size)
            continue;
        uint64_t skip = address - s->address;
        if (size <= s->file_size - skip)
            return file->bytes + s->offset + skip;
    }
    return NULL;
}

/* The table of `size` bytes at an address, or an empty one. */
static struct elf_table table_at(const struct elf_file *file, uint64_t address, uint64_t size, uint64_t entry)
{
    const uint8_t *bytes = size ? elf_file_at(file, address, size) : NULL;
    return (struct elf_table){bytes, bytes ? size / entry : 0};
}

/* How many symbols the hash tables know of: the dynamic section gives no count. */
static uint64_t count_by_hash(const struct elf_file *file, uint64_t hash)
{
    const uint8_t *at = hash ? elf_file_at(file, hash, 8) : NULL;
    uint32_t chains = 0;
    if (at)
        memcpy(&chains, at + 4, 4);
    return chains;
}

static uint64_t count_by_gnu_hash(const struct elf_file *file, uint64_t hash)
{
    const uint8_t *at = hash ? elf_file_at(file, hash, 16) : NULL;
    uint32_t head[4]; /* buckets, first hashed symbol, bloom words, shift */
    if (!at)
        return 0;
    memcpy(head, at, sizeof head);
    uint64_t buckets = hash + 16 + UINT64_C(8) * head[2], chains = buckets + UINT64_C(4) * head[0];
    uint32_t last = 0;
    const uint8_t *bucket = elf_file_at(file, buckets, UINT64_C(4) * head[0]);
    for (uint32_t i = 0; bucket && i < head[0]; i++) {
        uint32_t symbol;
        memcpy(&symbol, bucket + UINT64_C(4) * i, 4);
        last = symbol > last ? symbol : last;
    }
    if (last < head[1])
        return head[1];
    for (;; last++) { /* ends at the file's end at the latest */
        uint32_t word;
        const uint8_t *chain = elf_file_at(file, chains + UINT64_C(4) * (last - head[1]), 4);
        if (!chain || last == UINT32_MAX)
            return last;
        memcpy(&word, chain, 4);
        if (word & 1)
            return UINT64_C(1) + last;
    }
}

/* A table of symbols that reaches no further than the file does. */
static struct elf_table symbols_at(const struct elf_file *file, uint64_t address, uint64_t count)
{
    while (count > 0) {
        if (count <= file->size / sizeof(Elf64_Sym) && elf_file_at(file, address, count * sizeof(Elf64_Sym)))
            return table_at(file, address, count * sizeof(Elf64_Sym), sizeof(Elf64_Sym));
        count /= 2;
    }
    return (struct elf_table){0};
}

static void read_dynamic(struct elf_file *file, uint64_t offset, uint64_t size)
{
    uint64_t value[DT_NUM] = {0}, gnu_hash = 0;
    bool has_soname = false;
    for (uint64_t i = 0; i + sizeof(Elf64_Dyn) <= size; i += sizeof(Elf64_Dyn)) {
        Elf64_Dyn dyn;
        memcpy(&dyn, file->bytes + offset + i, sizeof dyn);
        if (dyn.d_tag == DT_NULL)
            break;
        if (dyn.d_tag == DT_GNU_HASH)
            gnu_hash = dyn.d_un.d_val;
        else if (dyn.d_tag > 0 && dyn.d_tag < DT_NUM)
            value[dyn.d_tag] = dyn.d_un.d_val;
        has_soname |= dyn.d_tag == DT_SONAME;
    }
    uint64_t count = count_by_hash(file, value[DT_HASH]);
    file->dynsym = symbols_at(file, value[DT_SYMTAB], count ? count : count_by_gnu_hash(file, gnu_hash));
    file->dynstr = table_at(file, value[DT_STRTAB], value[DT_STRSZ], 1);
    file->rela = table_at(file, value[DT_RELA], value[DT_RELASZ], sizeof(Elf64_Rela));
    if (value[DT_PLTREL] == DT_RELA)
        file->jmprel = table_at(file, value[DT_JMPREL], value[DT_PLTRELSZ], sizeof(Elf64_Rela));
    if (has_soname)
        file->soname = value[DT_SONAME];
}

/* cmd/link/internal/ld/elf.go: ELF_NOTE_GOBUILDID_TAG. */
enum { NT_GO_BUILD_ID = 4 };

static void read_notes(struct elf_file *file, uint64_t offset, uint64_t address, uint64_t size)
{
    for (uint64_t at = 0; at + sizeof(Elf64_Nhdr) <= size;) {
        Elf64_Nhdr note;
        memcpy(&note, file->bytes + offset + at, sizeof note);
        uint64_t name = at + sizeof note, content = name + ((note.n_namesz + UINT64_C(3)) & ~UINT64_C(3));
        uint64_t end = content + ((note.n_descsz + UINT64_C(3)) & ~UINT64_C(3));
        if (end > size)
            return;
        const uint8_t *owner = file->bytes + offset + name;
        if (note.n_type == NT_GO_BUILD_ID && note.n_namesz == 4 && memcmp(owner, "Go\0", 4) == 0)
            file->is_go = true;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz <= ELF_BUILD_ID_MOST &&
            file->build_id_size == 0 && memcmp(owner, "GNU", 4) == 0) {
            file->build_id_size = note.n_descsz;
            file->build_id_address = address + content;
            memcpy(file->build_id, file->bytes + offset + content, note.n_descsz);
        }
        at = end;
    }
}

static bool within(const struct elf_file *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

static int read_segments(struct elf_file *file)
{
    size_t count;
    GElf_Phdr dynamic = {0};
    if (elf_getphdrnum(file->elf, &count) < 0)
        return ELF_ERROR_segments;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr p;
        if (!gelf_getphdr(file->elf, (int)i, &p))
            return ELF_ERROR_segments;
        struct elf_segment segment = {p.p_vaddr, p.p_offset, p.p_filesz, p.p_memsz, p.p_flags};
        bool wanted = p.p_type == PT_LOAD || p.p_type == PT_DYNAMIC || p.p_type == PT_GNU_EH_FRAME ||
                      p.p_type == PT_NOTE;
        if (!wanted)
            continue;
        if (!within(file, p.p_offset, p.p_filesz) || p.p_vaddr + p.p_memsz < p.p_vaddr ||
            p.p_filesz > p.p_memsz) {
            if (p.p_type == PT_LOAD)
                return ELF_ERROR_segments;
            continue; /* .debug files keep such headers without the content */
        }
        if (p.p_type == PT_LOAD && file->segment_count < ELF_SEGMENTS_MOST)
            file->segments[file->segment_count++] = segment;
        else if (p.p_type == PT_DYNAMIC)
            dynamic = p;
        else if (p.p_type == PT_GNU_EH_FRAME)
            file->eh_frame_hdr = segment;
        else if (p.p_type == PT_NOTE)
            read_notes(file, p.p_offset, p.p_vaddr, p.p_filesz);
    }
    if (file->segment_count == 0)
        return ELF_ERROR_segments;
    read_dynamic(file, dynamic.p_offset, dynamic.p_filesz);
    return 0;
}

/* -ldflags=-buildid= leaves the note out, but not this. */
static bool has_go_section(const struct elf_file *file)
{
    size_t names;
    Elf_Scn *section = NULL;
    if (elf_getshdrstrndx(file->elf, &names))
        return false;
    while ((section = elf_nextscn(file->elf, section))) {
        GElf_Shdr header;
        const char *name =
            gelf_getshdr(section, &header) ? elf_strptr(file->elf, names, header.sh_name) : NULL;
        if (name && strcmp(name, ".go.buildinfo") == 0)
            return true;
    }
    return false;
}

/* .symtab is in no segment: sections are needed for it, and may be stripped or damaged. */
static void read_symtab(struct elf_file *file)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(file->elf, section))) {
        GElf_Shdr header, strings;
        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_SYMTAB)
            continue;
        Elf_Scn *linked = elf_getscn(file->elf, header.sh_link);
        if (!linked || !gelf_getshdr(linked, &strings) || strings.sh_type != SHT_STRTAB)
            return;
        if (!within(file, header.sh_offset, header.sh_size) ||
            !within(file, strings.sh_offset, strings.sh_size))
            return;
        file->symtab = (struct elf_table){file->bytes + header.sh_offset, header.sh_size / sizeof(Elf64_Sym)};
        file->strtab = (struct elf_table){file->bytes + strings.sh_offset, strings.sh_size};
        return;
    }
}

bool elf_file_bias(const struct elf_file *file, uint64_t start, uint64_t offset, uint64_t *bias)
{
    const uint64_t page = 4096;
    for (size_t i = 0; i < file->segment_count; i++) {
        const struct elf_segment *s = &file->segments[i];
        if (!(s->flags & PF_X) || offset < s->offset / page * page || offset >= s->offset + s->file_size)
            continue;
        *bias = start - (s->address / page * page + (offset - s->offset / page * page));
        return true;
    }
    return false;
}

int elf_file_from_memory(struct elf_file *file, const uint8_t *bytes, size_t size)
{
    Elf64_Ehdr header;
    *file = (struct elf_file){.bytes = bytes, .size = size, .soname = UINT64_MAX};
    if (size < EI_NIDENT || memcmp(bytes, ELFMAG, SELFMAG) != 0)
        return ELF_ERROR_not_elf;
    if (bytes[EI_CLASS] == ELFCLASS32)
        return ELF_ERROR_class_32;
    if (size < sizeof header)
        return ELF_ERROR_not_elf;
    memcpy(&header, bytes, sizeof header);
    if (bytes[EI_CLASS] != ELFCLASS64 || bytes[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64)
        return ELF_ERROR_machine;
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return ELF_ERROR_type;
    elf_version(EV_CURRENT);
    /* libelf takes the image as writable memory, but writes to it only on elf_update. */
    file->elf = elf_memory((char *)(uintptr_t)bytes, size);
    if (!file->elf)
        return ELF_ERROR_library;
    file->type = header.e_type;
    int error = read_segments(file);
    if (error) {
        elf_end(file->elf);
        return error;
    }
    read_symtab(file);
    file->is_go = file->is_go || has_go_section(file);
    return 0;
}

int elf_file_open(struct elf_file *file, const char *path)
{
    struct stat status;
    /* O_NONBLOCK: a path that is a FIFO must not stop us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int error = 0;
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0)
        error = -errno;
    else if (S_ISDIR(status.st_mode))
        error = -EISDIR;
    else if (!S_ISREG(status.st_mode))
        error = ELF_ERROR_not_regular;
    else if (status.st_size == 0)
        error = ELF_ERROR_empty;
    void *map = MAP_FAILED;
    if (!error) {
        map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
            error = -errno;
    }
    close(fd);
    if (error)
        return error;
    error = elf_file_from_memory(file, map, (size_t)status.st_size);
    if (error)
        munmap(map, (size_t)status.st_size);
    else
        file->mapped = true;
    return error;
}

void elf_file_close(struct elf_file *file)
{
    elf_end(file->elf);
    if (file->mapped)
        munmap((void *)(uintptr_t)file->bytes, file->size);
    *file = (struct elf_file){0};
}
