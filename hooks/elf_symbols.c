/* Questions to an open ELF file: symbols, relocations, unwind tables. */
#include "hooks/elf_file.h"

#include <string.h>

/* A string of the table, if it ends inside it. */
static const char *string_at(struct elf_table strings, uint64_t offset)
{
    if (!strings.bytes || offset >= strings.count ||
        !memchr(strings.bytes + offset, '\0', (size_t)(strings.count - offset)))
        return NULL;
    return (const char *)strings.bytes + offset;
}

const char *elf_file_soname(const struct elf_file *file)
{
    return string_at(file->dynstr, file->soname);
}

static Elf64_Sym symbol(struct elf_table symbols, uint64_t index)
{
    Elf64_Sym s;
    memcpy(&s, symbols.bytes + index * sizeof s, sizeof s);
    return s;
}

static bool is_function(const Elf64_Sym *s)
{
    unsigned type = ELF64_ST_TYPE(s->st_info);
    return (type == STT_FUNC || type == STT_GNU_IFUNC) && s->st_shndx != SHN_UNDEF && s->st_value != 0;
}

/* The last function symbol at or before `address`, and where the next one begins. */
static bool nearest(struct elf_table symbols, struct elf_table strings, uint64_t address,
                    struct elf_extent *best)
{
    uint64_t next = UINT64_MAX;
    bool found = false;
    for (uint64_t i = 0; i < symbols.count; i++) {
        Elf64_Sym s = symbol(symbols, i);
        if (!is_function(&s))
            continue;
        if (s.st_value > address) {
            next = s.st_value < next ? s.st_value : next;
        } else if (!found || s.st_value > best->address ||
                   (s.st_value == best->address && s.st_size > best->size)) {
            *best = (struct elf_extent){s.st_value, s.st_size, string_at(strings, s.st_name)};
            found = true;
        }
    }
    if (found && best->size == 0 && next != UINT64_MAX)
        best->size = next - best->address;
    return found && address - best->address < best->size;
}

bool elf_symbol_at(const struct elf_file *file, uint64_t address, struct elf_extent *function)
{
    return nearest(file->symtab, file->strtab, address, function) ||
           nearest(file->dynsym, file->dynstr, address, function);
}

static bool data_symbol(struct elf_table symbols, struct elf_table strings, const char *name,
                        struct elf_extent *extent)
{
    for (uint64_t i = 0; i < symbols.count; i++) {
        Elf64_Sym s = symbol(symbols, i);
        if (ELF64_ST_TYPE(s.st_info) != STT_OBJECT || s.st_shndx == SHN_UNDEF || s.st_size == 0)
            continue;
        const char *text = string_at(strings, s.st_name);
        if (!text || strcmp(text, name) != 0)
            continue;
        *extent = (struct elf_extent){s.st_value, s.st_size, text};
        return true;
    }
    return false;
}

bool elf_data_symbol(const struct elf_file *file, const char *name, struct elf_extent *extent)
{
    return data_symbol(file->symtab, file->strtab, name, extent) ||
           data_symbol(file->dynsym, file->dynstr, name, extent);
}

bool elf_defines(const struct elf_file *file, const char *name, uint64_t *address)
{
    for (uint64_t i = 0; i < file->dynsym.count; i++) {
        Elf64_Sym s = symbol(file->dynsym, i);
        const char *text = s.st_shndx == SHN_UNDEF ? NULL : string_at(file->dynstr, s.st_name);
        if (!text || strcmp(text, name) != 0)
            continue;
        *address = s.st_value;
        return true;
    }
    return false;
}

static bool is_ours(const char *name)
{
    return name && (strcmp(name, "madvise") == 0 || strcmp(name, "process_madvise") == 0 ||
                    strcmp(name, "syscall") == 0);
}

static bool slots_in(const struct elf_file *file, struct elf_table table,
                     bool (*each)(void *context, const struct elf_slot *slot), void *context)
{
    for (uint64_t i = 0; i < table.count; i++) {
        Elf64_Rela rela;
        memcpy(&rela, table.bytes + i * sizeof rela, sizeof rela);
        uint32_t type = ELF64_R_TYPE(rela.r_info);
        uint64_t index = ELF64_R_SYM(rela.r_info);
        if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_64)
            continue;
        if (index == 0 || index >= file->dynsym.count || rela.r_addend != 0)
            continue;
        Elf64_Sym s = symbol(file->dynsym, index);
        struct elf_slot slot = {rela.r_offset, type, string_at(file->dynstr, s.st_name)};
        if (is_ours(slot.name) && !each(context, &slot))
            return false;
    }
    return true;
}

void elf_slots(const struct elf_file *file, bool (*each)(void *context, const struct elf_slot *slot),
               void *context)
{
    if (slots_in(file, file->jmprel, each, context))
        slots_in(file, file->rela, each, context);
}

/* What .eh_frame_hdr looks like when a linker made it: binary search table of pairs relative to the header.
 */
enum { EH_TABLE_HEADER = 12, DW_EH_PE_datarel_sdata4 = 0x3b, DW_EH_PE_udata4 = 0x03, DW_EH_PE_format = 0x0f };

static bool read32(const struct elf_file *file, uint64_t address, uint32_t *value)
{
    const uint8_t *at = elf_file_at(file, address, 4);
    if (at)
        memcpy(value, at, 4);
    return at;
}

static uint64_t skip_leb128(const uint8_t *bytes, uint64_t at, uint64_t end)
{
    while (at < end && bytes[at] & 0x80)
        at++;
    return at + 1;
}

/* Size of a pointer in this CIE's FDEs: 4 or 8 bytes; 0 when it cannot be told. */
static unsigned pointer_size(const struct elf_file *file, uint64_t cie)
{
    uint32_t length;
    if (!read32(file, cie, &length) || length < 8 || length > 4096)
        return 0;
    const uint8_t *bytes = elf_file_at(file, cie + 4, length);
    if (!bytes ||
        bytes[5] !=
            'z') /* id, version, augmentation: without z there is no encoding, pointers are absolute */
        return bytes && bytes[5] == '\0' ? 8 : 0;
    uint64_t letters = 6, at = 5;
    while (at < length && bytes[at])
        at++;
    at = skip_leb128(bytes, at + 1, length); /* code alignment */
    at = skip_leb128(bytes, at, length);     /* data alignment */
    at = skip_leb128(bytes, at, length);     /* return address register */
    at = skip_leb128(bytes, at, length);     /* augmentation length */
    unsigned encoding = 0;
    for (; letters < length && bytes[letters] && at < length; letters++) {
        if (bytes[letters] == 'R') {
            encoding = bytes[at];
            break;
        }
        if (bytes[letters] == 'L')
            at++;
        else if (bytes[letters] == 'P')
            at += 1 + ((bytes[at] & 7) == 3 ? 4 : 8);
    }
    switch (encoding & DW_EH_PE_format) {
    case 0x03: /* udata4 */
    case 0x0b: /* sdata4 */
        return 4;
    case 0x00: /* absptr */
    case 0x04: /* udata8 */
    case 0x0c: /* sdata8 */
        return 8;
    default:
        return 0;
    }
}

/* The length of the code that the FDE at an address describes; 0 when it cannot be told. */
static uint64_t fde_range(const struct elf_file *file, uint64_t fde)
{
    uint32_t length, back;
    if (!read32(file, fde, &length) || length == UINT32_MAX || length < 16 || !read32(file, fde + 4, &back))
        return 0;
    unsigned size = pointer_size(file, fde + 4 - back);
    const uint8_t *range = size ? elf_file_at(file, fde + 8 + size, size) : NULL;
    uint64_t value = 0;
    if (range)
        memcpy(&value, range, size);
    return value;
}

bool elf_unwind_at(const struct elf_file *file, uint64_t address, struct elf_extent *function)
{
    uint64_t base = file->eh_frame_hdr.address;
    uint32_t count;
    const uint8_t *head =
        file->eh_frame_hdr.file_size >= EH_TABLE_HEADER ? elf_file_at(file, base, EH_TABLE_HEADER) : NULL;
    if (!head || head[0] != 1 || head[2] != DW_EH_PE_udata4 || head[3] != DW_EH_PE_datarel_sdata4)
        return false;
    memcpy(&count, head + 8, 4);
    const uint8_t *table = elf_file_at(file, base + EH_TABLE_HEADER, UINT64_C(8) * count);
    if (!table)
        return false;
    uint32_t low = 0, high = count; /* the last entry at or before the address is in [low - 1, high) */
    int32_t entry[2];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        memcpy(entry, table + UINT64_C(8) * middle, 8);
        if (base + (uint64_t)(int64_t)entry[0] <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    memcpy(entry, table + UINT64_C(8) * (low - 1), 8);
    *function = (struct elf_extent){.address = base + (uint64_t)(int64_t)entry[0]};
    function->size = fde_range(file, base + (uint64_t)(int64_t)entry[1]);
    return address - function->address < function->size;
}
