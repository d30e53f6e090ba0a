/* See reset.h. */
#include "reset.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compare.h"
#include "pair.h"

#define ERRNO_BEFORE 4095 /* no call sets this: a success must leave it */

static const struct {
    uint32_t attribute;
    enum row row;
} attribute_rows[] = {
    {A_NO_ACCESS, ROW_prot_none},
    {A_READ_ONLY, ROW_prot_read},
    {A_GUARD, ROW_guard},
    {A_UNGUARDED, ROW_guard_removed},
    {A_LAZY, ROW_lazy_free},
    {A_BY_READ, ROW_by_read},
    {A_BY_VM, ROW_by_vm_writev},
    {A_BY_MEM, ROW_by_proc_mem},
    {A_POISON, ROW_poison},
    {A_UFFD_MISSING, ROW_uffd_missing},
    {A_UFFD_WP, ROW_uffd_wp},
    {A_WIPED, ROW_fork_wiped},
    {A_MOVED, ROW_moved},
    {A_KSM, ROW_ksm},
    {A_LEFT_OUT, ROW_fork_left_out},
};

struct outcome reset_library(void *at, size_t length, int advice, bool by_number)
{
    struct outcome outcome;
    errno = ERRNO_BEFORE;
    if (by_number)
        outcome = took(syscall(SYS_madvise, at, length, advice));
    else
        outcome = took(madvise(at, length, advice));
    if (outcome.result != -1 && errno != ERRNO_BEFORE)
        fail("a successful madvise changed errno to %d", errno);
    atomic_fetch_add(&world.report->resets, 1);
    return outcome;
}

static size_t clamp(const struct pair *pair, long page)
{
    return page < 0 ? 0 : (size_t)page > pair->pages ? pair->pages : (size_t)page;
}

static bool mixes_sources(const struct pair *pair, size_t first, size_t end)
{
    bool file = false, anonymous = false;
    for (size_t i = first; i < end; i++) {
        file |= pair->source[i] >= 0;
        anonymous |= pair->source[i] == -1;
    }
    return file && anonymous;
}

static void count_kind(const struct pair *pair, size_t first, size_t end)
{
    switch (pair->kind->number) {
    case KIND_hugetlb:
        count_row(first % (HUGE / PAGE) ? ROW_hugetlb_unaligned : ROW_hugetlb, 1);
        break;
    case KIND_image_anon:
    case KIND_file_anon:
        if (mixes_sources(pair, first, end))
            count_row(ROW_image_anon, 1);
        break;
    case KIND_shards:
        if (end - first >= 500)
            count_row(ROW_many_mappings, 1);
        break;
    case KIND_mseal_read:
    case KIND_mseal_write:
        if (pair_any(pair, first, end) & A_SEALED)
            count_row(pair->kind->row, 1);
        break;
    default:
        count_row(pair->kind->row, 1);
    }
}

void reset_count(const struct pair *pair, long from, long to, int advice)
{
    size_t first = clamp(pair, from), end = clamp(pair, to);
    uint32_t any = pair_any(pair, first, end);
    if (first >= end)
        return;
    count_kind(pair, first, end);
    if (from < 0 || to > (long)pair->pages)
        count_row(ROW_prot_none, 1);
    for (size_t i = 0; i < sizeof attribute_rows / sizeof attribute_rows[0]; i++)
        if (any & attribute_rows[i].attribute)
            count_row(attribute_rows[i].row, 1);
    if (any & (A_LOCKED | A_ON_FAULT)) {
        if (advice == ADVICE_DONTNEED_LOCKED)
            count_row(ROW_locked_dropped, 1);
        else
            count_row(any & A_ON_FAULT ? ROW_locked_onfault : ROW_locked, 1);
    }
    for (size_t i = first; i < end; i++)
        if (pair->source[i] >= (int32_t)pair->image.pages) {
            count_row(ROW_past_end, 1);
            break;
        }
    compare_survey(pair, first, end);
}

/* Rows that only the outcome shows: what stopped a walk, and where. */
static void count_stop(const struct pair *pair, long from, long to, struct outcome outcome)
{
    bool hole = false;
    if (outcome.error == ENOMEM && (pair_any(pair, clamp(pair, from), clamp(pair, to)) & A_HOLE))
        count_row(ROW_hole, 1);
    if (outcome.error != EINVAL)
        return;
    for (size_t i = clamp(pair, from); i < clamp(pair, to); i++) {
        hole |= pair->attributes[i] & A_HOLE;
        if (pair->attributes[i] & (A_LOCKED | A_ON_FAULT)) {
            if (hole)
                count_row(ROW_hole_then_bad, 1);
            if ((long)i > from)
                count_row(ROW_bad_stops, 1);
            return;
        }
    }
}

void reset_done(struct pair *pair, long from, long to)
{
    size_t first = clamp(pair, from), end = clamp(pair, to);
    if (pair->kind->bits & K_HUGE)
        end -= end % (HUGE / PAGE);
    pair_set(pair, first, end, 0, A_CONTENT | A_UNGUARDED);
    pair->was_reset = true;
    compare_expect(first, end);
}

void reset_bytes(struct pair *pair, long offset, size_t length, int advice)
{
    bool by_number = chance(25);
    long first = offset < 0 ? -((-offset + (long)PAGE - 1) / (long)PAGE) : offset / (long)PAGE;
    long end = (offset + (long)length + (long)PAGE - 1) / (long)PAGE;
    reset_count(pair, first, end, advice);
    note("reset %s slot %u: pages %ld to %ld, length %zu, advice %d%s", pair->kind->text, pair->slot, first,
         end, length, advice, by_number ? ", by syscall()" : "");
    struct outcome real = took_raw(raw_madvise(pair->at[REAL] + offset, length, advice));
    struct outcome library = reset_library(pair->at[LIBRARY] + offset, length, advice, by_number);
    if (length % PAGE)
        count_row(ROW_odd_length, 1);
    if (world.closed)
        count_row(ROW_closed, 1);
    if (same("madvise", real, library))
        reset_done(pair, first, end);
    else
        count_stop(pair, first, end, real);
    compare_pair(pair);
}

void reset_pages(struct pair *pair, size_t first, size_t end)
{
    reset_bytes(pair, (long)(first * PAGE), (end - first) * PAGE, ADVICE_DONTNEED);
}

void reset_pick(const struct pair *pair, long *first, long *end)
{
    long pages = (long)pair->pages, step = pair->kind->bits & K_HUGE ? (long)(HUGE / PAGE) : 1;
    unsigned how = (unsigned)below(100);
    *first = 0;
    *end = pages;
    if (how < 45)
        return;
    *first = (long)below((uint64_t)(pages / step)) * step;
    *end = *first + step * (1 + (long)below((uint64_t)((pages - *first) / step)));
    if (how < 58 && !(pair->kind->bits & K_LARGE))
        *end = *first + 1;
    if (how >= 94)
        *first = -(long)below(GAP_PAGES + 1);
    if (how >= 97 || (how >= 90 && how < 94))
        *end = pages + (long)below(GAP_PAGES + 1);
    if (step > 1 && how >= 80)
        *first += 1 + (long)below(20);
}

void op_reset(struct pair *pair)
{
    long first, end;
    reset_pick(pair, &first, &end);
    size_t length = (size_t)(end - first) * PAGE;
    if (length && chance(8))
        length -= below(PAGE);
    unsigned unlock = pair_any(pair, 0, pair->pages) & (A_LOCKED | A_ON_FAULT) ? 40 : 8;
    reset_bytes(pair, first * (long)PAGE, length, chance(unlock) ? ADVICE_DONTNEED_LOCKED : ADVICE_DONTNEED);
}

/* The same arguments for both sides but for the base of the pair. */
static void refused(enum row row, struct pair *pair, bool absolute, unsigned long at, size_t length,
                    int advice)
{
    unsigned long base[2] = {(uintptr_t)pair->at[REAL], (uintptr_t)pair->at[LIBRARY]};
    if (absolute)
        base[REAL] = base[LIBRARY] = 0;
    note("madvise %s%#lx, length %#zx, advice %d", absolute ? "" : "pair + ", at, length, advice);
    struct outcome real = took_raw(raw_madvise((void *)(base[REAL] + at), length, advice));
    struct outcome library = reset_library((void *)(base[LIBRARY] + at), length, advice, chance(30));
    same("madvise", real, library);
    count_row(row, 1);
}

static void overflow(struct pair *pair)
{
    static const long tails[] = {-1, -4096, -4095, -8192};
    long tail = PICK(&world.random, tails);
    bool to_zero = chance(30);
    note("madvise of a length that overflows: %s", to_zero ? "address + length is 0" : "a negative length");
    for (int k = 0; k < 2; k++) {
        size_t lengths[2];
        for (int side = REAL; side <= LIBRARY; side++)
            lengths[side] = to_zero ? 0 - (uintptr_t)pair->at[side] : (size_t)tail;
        struct outcome real = took_raw(raw_madvise(pair->at[REAL], lengths[REAL], ADVICE_DONTNEED));
        same("madvise", real, reset_library(pair->at[LIBRARY], lengths[LIBRARY], ADVICE_DONTNEED, k));
        count_row(ROW_overflow, 1);
    }
}

void op_arguments(struct pair *pair)
{
    static const int unknown[] = {5, 6, 7, 26, 99, -1, 0x7fffffff, 104, 1 << 30};
    /* Small lengths only: at these addresses lies nothing of ours. */
    static const unsigned long nowhere[] = {0xffff800000000000, 0x800000000000,     0x7ffffffff000,
                                            0xffffffffff600000, 0x4000000000000000, 0xfffffffffffff000};
    static const size_t lengths[] = {1, PAGE, 2 * PAGE, 3 * PAGE + 1};
    size_t length = PICK(&world.random, lengths);
    size_t inside = below(pair->pages) * PAGE;
    switch (below(6)) {
    case 0:
        refused(ROW_unknown_advice, pair, false, inside, chance(30) ? 0 : length,
                PICK(&world.random, unknown));
        break;
    case 1:
        refused(ROW_unaligned, pair, false, inside + 1 + below(PAGE - 1), chance(30) ? 0 : length,
                ADVICE_DONTNEED);
        break;
    case 2:
        overflow(pair);
        break;
    case 3:
        refused(ROW_length_zero, pair, false, inside, 0, ADVICE_DONTNEED);
        break;
    case 4:
        refused(ROW_length_zero, pair, true, chance(50) ? 0 : PICK(&world.random, nowhere), 0,
                ADVICE_DONTNEED);
        break;
    default:
        refused(ROW_kernel_address, pair, true, PICK(&world.random, nowhere), length, ADVICE_DONTNEED);
    }
    compare_pair(pair);
}
