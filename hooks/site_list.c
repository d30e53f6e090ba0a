/* Looks for `syscall` in the executable segments, and decodes just the functions that hold one together with
   one of the numbers: the 19 MB of code in libwasmtime 50.0.1 hold 241 syscall instructions. */
#include "hooks/site_list.h"

#include <emmintrin.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SITES_A_FUNCTION = 64, TARGETS_MOST = 1024, FUNCTION_LARGEST = 16 << 20, WINDOW = 16 };

struct lister {
    const struct elf_file *file;
    enum site_calls calls;
    bool (*each)(void *context, const struct file_site *site);
    void *context;
    uint8_t *marks;
    size_t room;
    bool no_memory, stopped;
};

/* The first `syscall` in [at, end), or NULL. Sixteen places at a time: memmem took half of a listing's time,
 * byte by byte. */
static const uint8_t *next_syscall(const uint8_t *at, const uint8_t *end)
{
    const __m128i first = _mm_set1_epi8(0x0f), second = _mm_set1_epi8(0x05);
    for (; end - at > 16; at += 16) {
        __m128i here = _mm_loadu_si128((const __m128i *)at),
                next = _mm_loadu_si128((const __m128i *)(at + 1));
        int hits =
            _mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(here, first), _mm_cmpeq_epi8(next, second)));
        if (hits)
            return at + __builtin_ctz((unsigned)hits);
    }
    return at < end ? memmem(at, (size_t)(end - at), "\x0f\x05", 2) : NULL;
}

/* mov $28,%eax and its like; push $28; mov $28,%al. */
static bool has_number(const struct lister *l, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < site_numbers_count(l->calls); i++) {
        uint32_t number = site_numbers[i].number;
        const uint8_t pushed[] = {0x6a, (uint8_t)number}, moved[] = {0xb0, (uint8_t)number};
        if (memmem(bytes, size, &number, sizeof number) || memmem(bytes, size, pushed, 2) ||
            memmem(bytes, size, moved, 2))
            return true;
    }
    return false;
}

static void give(struct lister *l, uint64_t function, const struct site *site)
{
    struct file_site out = {.mov = function + site->mov,
                            .syscall = function + site->syscall,
                            .function = function,
                            .number = site->number,
                            .mov_length = site->mov_length,
                            .between = site->between,
                            .reason = site->reason};
    uint64_t size = site->mov_length;
    if (site->syscall > site->mov && site->syscall + UINT64_C(2) - site->mov <= SITE_BYTES_MOST)
        size = site->syscall + UINT64_C(2) - site->mov;
    out.bytes = elf_file_at(l->file, out.mov, size);
    out.size = out.bytes ? (uint32_t)size : 0;
    l->stopped |= !l->each(l->context, &out);
}

static size_t find(struct lister *l, const struct elf_extent *function, const uint32_t *targets,
                   size_t target_count, struct site *sites)
{
    const uint8_t *code = elf_file_at(l->file, function->address, function->size);
    if (!code || function->size > FUNCTION_LARGEST || !has_number(l, code, function->size))
        return 0;
    if (function->size > l->room) {
        uint8_t *marks = realloc(l->marks, function->size);
        if (!marks) {
            l->no_memory = true;
            return 0;
        }
        l->marks = marks;
        l->room = function->size;
    }
    size_t count = site_find(l->calls, code, (uint32_t)function->size, targets, target_count, l->marks, sites,
                             SITES_A_FUNCTION);
    return count < SITES_A_FUNCTION ? count : SITES_A_FUNCTION;
}

struct targets {
    uint32_t at[TARGETS_MOST];
    size_t count;
};

/* The cases of a switch that compilers make of a table of distances from itself. */
static void add_cases(struct lister *l, const struct elf_extent *function, uint64_t table, struct targets *t)
{
    size_t before = t->count;
    const uint8_t *entry;
    while (t->count < TARGETS_MOST && (entry = elf_file_at(l->file, table, sizeof(int32_t)))) {
        int32_t distance;
        memcpy(&distance, entry, sizeof distance);
        uint64_t at = table - (t->count - before) * sizeof distance + (uint64_t)(int64_t)distance;
        if (at - function->address >= function->size)
            break;
        t->at[t->count++] = (uint32_t)(at - function->address);
        table += sizeof distance;
    }
    if (t->count - before < 2)
        t->count = before; /* not a table */
}

/* lea table(%rip),%register: all that could be one is looked at. */
static void add_switches(struct lister *l, const struct elf_extent *function, struct targets *t)
{
    const uint8_t *code = elf_file_at(l->file, function->address, function->size);
    for (uint64_t i = 0; code && i + 7 <= function->size; i++) {
        int32_t distance;
        if ((code[i] & 0xfb) != 0x48 || code[i + 1] != 0x8d || (code[i + 2] & 0xc7) != 0x05)
            continue;
        memcpy(&distance, code + i + 3, sizeof distance);
        add_cases(l, function, function->address + i + 7 + (uint64_t)(int64_t)distance, t);
    }
}

/* One unwind entry may cover several hand-written functions: a symbol inside it is a second known start. What
   is reached through a switch is known by its table. */
static size_t find_with_targets(struct lister *l, const struct elf_extent *function, struct site *sites)
{
    struct targets targets = {.count = 0};
    size_t count = find(l, function, NULL, 0, sites);
    bool unreached = false;
    for (size_t i = 0; i < count; i++) {
        struct elf_extent symbol;
        unreached |= sites[i].reason == SITE_unreached;
        if (sites[i].reason == SITE_unreached &&
            elf_symbol_at(l->file, function->address + sites[i].mov, &symbol) &&
            symbol.address > function->address)
            targets.at[targets.count++] = (uint32_t)(symbol.address - function->address);
    }
    if (unreached)
        add_switches(l, function, &targets);
    return targets.count ? find(l, function, targets.at, targets.count, sites) : count;
}

/* A syscall in no known function: worth a line only when the bytes before it look like a site. */
static void give_unknown(struct lister *l, const struct elf_segment *segment, const uint8_t *code,
                         uint64_t at)
{
    uint64_t from = at > WINDOW ? at - WINDOW : 0;
    for (uint64_t mov = from; mov + 5 <= at; mov++) {
        bool looks = code[mov] == 0xb8 || (mov + 7 <= at && memcmp(code + mov, "\x48\xc7\xc0", 3) == 0);
        uint32_t number, length = code[mov] == 0xb8 ? 5 : 7;
        memcpy(&number, code + mov + length - 4, 4);
        if (!looks || !site_number_find(number, l->calls))
            continue;
        struct file_site out = {.mov = segment->address + mov,
                                .syscall = segment->address + at,
                                .bytes = code + mov,
                                .size = (uint32_t)(at + 2 - mov),
                                .number = (uint16_t)number,
                                .mov_length = (uint8_t)length,
                                .reason = SITE_no_function};
        l->stopped |= !l->each(l->context, &out);
        return;
    }
}

static void list_segment(struct lister *l, const struct elf_segment *segment)
{
    const uint8_t *code = elf_file_at(l->file, segment->address, segment->file_size), *hit = code;
    uint64_t done = 0; /* offset behind the last function that was looked into */
    if (!code)
        return;
    while (!l->stopped && (hit = next_syscall(hit, code + segment->file_size))) {
        uint64_t at = (uint64_t)(hit - code);
        struct elf_extent function;
        struct site sites[SITES_A_FUNCTION];
        hit += 2;
        if (at < done)
            continue;
        uint64_t address = segment->address + at;
        if (!elf_unwind_at(l->file, address, &function) && !elf_symbol_at(l->file, address, &function)) {
            give_unknown(l, segment, code, at);
            continue;
        }
        size_t count = find_with_targets(l, &function, sites);
        for (size_t i = 0; i < count && !l->stopped; i++)
            give(l, function.address, &sites[i]);
        done = function.address + function.size - segment->address;
    }
}

int site_list(const struct elf_file *file, enum site_calls calls,
              bool (*each)(void *context, const struct file_site *site), void *context)
{
    struct lister l = {.file = file, .calls = calls, .each = each, .context = context};
    for (size_t i = 0; i < file->segment_count && !l.stopped; i++)
        if (file->segments[i].flags & PF_X)
            list_segment(&l, &file->segments[i]);
    free(l.marks);
    return l.no_memory ? -ENOMEM : 0;
}
