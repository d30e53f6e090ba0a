/* One ELF file as hooks need it: where functions begin, which slots the dynamic linker fills with madvise,
   which addresses a data symbol covers. Reads the file, never the process; every offset in a file is taken
   for a lie until it is checked. Not for the call path: allocates. A file is used by one thread at a time. */
#ifndef HOOKS_ELF_FILE_H
#define HOOKS_ELF_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a file cannot be used, beyond a negative errno from the system. ELF_ERROR(name, text). */
#define ELF_ERRORS(ELF_ERROR)                                                                                \
    ELF_ERROR(not_regular, "not a regular file")                                                             \
    ELF_ERROR(empty, "empty file")                                                                           \
    ELF_ERROR(not_elf, "not an ELF file")                                                                    \
    ELF_ERROR(class_32, "a 32-bit ELF file")                                                                 \
    ELF_ERROR(machine, "an ELF file for another machine")                                                    \
    ELF_ERROR(type, "neither a program nor a shared library")                                                \
    ELF_ERROR(segments, "damaged program headers")                                                           \
    ELF_ERROR(library, "libelf refuses it")

enum elf_error {
    ELF_ERROR_FIRST = -5000, /* below every errno */
#define ELF_ERROR(name, text) ELF_ERROR_##name,
    ELF_ERRORS(ELF_ERROR)
#undef ELF_ERROR
};

struct elf_segment {
    uint64_t address, offset, file_size, memory_size;
    uint32_t flags; /* PF_X and friends */
};

enum { ELF_SEGMENTS_MOST = 64, ELF_BUILD_ID_MOST = 64 };

struct elf_table { /* an array inside the file */
    const uint8_t *bytes;
    uint64_t count;
};

struct elf_file {
    const uint8_t *bytes; /* the whole file, mapped privately and read-only */
    size_t size;
    bool mapped;     /* by elf_file_open, so elf_file_close unmaps it */
    struct Elf *elf; /* libelf's handle on the same bytes */
    uint16_t type;   /* ET_EXEC or ET_DYN */
    size_t segment_count;
    struct elf_segment segments[ELF_SEGMENTS_MOST];
    struct elf_segment eh_frame_hdr; /* file_size 0: none */
    struct elf_table dynsym, symtab; /* Elf64_Sym, perhaps unaligned */
    struct elf_table dynstr, strtab; /* characters */
    struct elf_table rela, jmprel;   /* Elf64_Rela */
    uint64_t soname;                 /* offset in dynstr; UINT64_MAX: none */
    size_t build_id_size;
    uint64_t build_id_address; /* of its bytes, before relocation */
    uint8_t build_id[ELF_BUILD_ID_MOST];
    bool is_go; /* holds code of the Go compiler, which runs on small stacks; and perhaps other code */
};

/* Opens and checks the file at `path` into `file`, which the caller owns and closes with elf_file_close if
   this returns 0. Errors: a negative errno, or an enum elf_error. Missing tables are no error: they are just
   empty. */
int elf_file_open(struct elf_file *file, const char *path);

/* The same for a file already in memory, which stays the caller's and must outlive `file`. */
int elf_file_from_memory(struct elf_file *file, const uint8_t *bytes, size_t size);

void elf_file_close(struct elf_file *file);

/* The sentence for an error of the functions above; for an errno, strerror's. */
const char *elf_error_text(int error);

/* The `size` bytes that the file holds for [address, address + size), or NULL when it does not hold them all.
 */
const uint8_t *elf_file_at(const struct elf_file *file, uint64_t address, uint64_t size);

/* What to add to the file's addresses for those of the process, when offset `offset` of the file is mapped,
   executable, at `start`. False when no executable segment holds that offset. */
bool elf_file_bias(const struct elf_file *file, uint64_t start, uint64_t offset, uint64_t *bias);

/* DT_SONAME, or NULL. Points into the file. */
const char *elf_file_soname(const struct elf_file *file);

struct elf_extent {
    uint64_t address, size;
    const char *name; /* points into the file; NULL when unknown */
};

/* The function that covers `address`, by the symbol tables. False when none says so. A symbol without a size
   is taken to reach to the next function symbol. */
bool elf_symbol_at(const struct elf_file *file, uint64_t address, struct elf_extent *function);

/* The same by the unwind table (.eh_frame_hdr), which strip leaves in place; name is NULL. */
bool elf_unwind_at(const struct elf_file *file, uint64_t address, struct elf_extent *function);

/* The extent of the data symbol `name`. False when there is none, or none with a size. */
bool elf_data_symbol(const struct elf_file *file, const char *name, struct elf_extent *extent);

/* Does the file define the dynamic symbol `name`? */
bool elf_defines(const struct elf_file *file, const char *name, uint64_t *address);

struct elf_slot {
    uint64_t address; /* of the pointer that the dynamic linker fills in */
    uint32_t type;    /* R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT or R_X86_64_64 */
    const char *name; /* madvise, process_madvise or syscall; points into the file */
};

/* Calls `each` for every such slot, in the file's order, until it returns false. */
void elf_slots(const struct elf_file *file, bool (*each)(void *context, const struct elf_slot *slot),
               void *context);

#endif
