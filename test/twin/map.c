/* Steps that change the mappings of a pair: through libc, on both sides alike. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compare.h"
#include "groups.h"
#include "ops.h"
#include "pair.h"
#include "reset.h"
#include "route.h"
#include "touch.h"

static void pick(const struct pair *pair, size_t *first, size_t *end)
{
    size_t step = pair->kind->bits & K_HUGE ? HUGE / PAGE : 1;
    *first = below(pair->pages / step) * step;
    *end = *first + step * (1 + below((pair->pages - *first) / step));
    if (chance(40) && step == 1 && *end > *first + 3)
        *end = *first + 1 + below(3);
}

void op_protect(struct pair *pair)
{
    static const int protections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE};
    int protection = PICK(&world.random, protections);
    size_t first, end;
    struct outcome outcome[2];
    pick(pair, &first, &end);
    if (chance(25)) { /* all usable again */
        first = 0;
        end = pair->pages;
        protection = PROT_READ | PROT_WRITE;
    }
    note("mprotect slot %u: pages %zu to %zu, protection %d", pair->slot, first, end, protection);
    for (int side = REAL; side <= LIBRARY; side++)
        outcome[side] = took(route_mprotect(pair->at[side] + first * PAGE, (end - first) * PAGE, protection));
    if (same("mprotect", outcome[REAL], outcome[LIBRARY]))
        pair_set(pair, first, end,
                 protection == PROT_NONE   ? A_NO_ACCESS
                 : protection == PROT_READ ? A_READ_ONLY
                                           : 0,
                 A_NO_ACCESS | A_READ_ONLY);
    compare_pair(pair);
}

void op_unmap(struct pair *pair)
{
    size_t first, end;
    struct outcome outcome[2];
    pick(pair, &first, &end);
    if (end > first + 4 && !(pair->kind->bits & K_HUGE))
        end = first + 4;
    note("munmap slot %u: pages %zu to %zu", pair->slot, first, end);
    for (int side = REAL; side <= LIBRARY; side++)
        outcome[side] = took(route_munmap(pair->at[side] + first * PAGE, (end - first) * PAGE));
    if (same("munmap", outcome[REAL], outcome[LIBRARY]))
        pair_set(pair, first, end, A_HOLE, ~0u);
    compare_pair(pair);
}

static void now_anonymous(struct pair *pair, size_t first, size_t end)
{
    pair_set(pair, first, end, 0, ~0u);
    for (size_t i = first; i < end; i++)
        pair->source[i] = -1;
}

void op_map_over(struct pair *pair)
{
    size_t first, end;
    struct outcome outcome[2];
    /* Shared pairs and sealed ones stay what they are: what a fresh page reads as would be lost. */
    if (!(pair->kind->bits & K_PRIVATE) || (pair->kind->bits & (K_ONCE | K_HUGE)))
        return;
    pick(pair, &first, &end);
    note("map anonymous memory over slot %u: pages %zu to %zu", pair->slot, first, end);
    for (int side = REAL; side <= LIBRARY; side++) {
        void *at = pair->at[side] + first * PAGE;
        void *got = route_mmap(at, (end - first) * PAGE, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        outcome[side] = took(got == at ? 0 : -1);
    }
    if (same("mmap", outcome[REAL], outcome[LIBRARY]))
        now_anonymous(pair, first, end);
    count_row(ROW_remapped, 1);
    compare_pair(pair);
}

void op_renew(struct pair *pair)
{
    if (world.in_child || (pair->kind->bits & K_ONCE))
        return;
    pair_make(pair, pair_pick_kind());
    compare_pair(pair);
}

static struct outcome move(uint8_t *base, size_t from, size_t old, size_t to, size_t new, int flags)
{
    void *at = route_mremap(base + from * PAGE, old * PAGE, new *PAGE, flags, base + to * PAGE);
    return at == MAP_FAILED ? took(-1) : took((long)((uint8_t *)at - base));
}

static bool remap_both(struct pair *pair, size_t from, size_t old, size_t to, size_t new, int flags)
{
    note("mremap slot %u: %zu pages at %zu to %zu pages at %zu, flags %d", pair->slot, old, from, new, to,
         flags);
    struct outcome real = move(pair->at[REAL], from, old, to, new, flags);
    return same("mremap", real, move(pair->at[LIBRARY], from, old, to, new, flags));
}

/* A failed move may have dropped its target, and kernels differ in how far they got. */
static void forget(struct pair *pair, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        pair->source[i] = -2;
    pair_set(pair, first, first + count, A_HOLE, 0);
}

static void move_apart(struct pair *pair)
{
    size_t count = 1 + below(pair->pages / 2), from = below(pair->pages / 2 - count + 1);
    size_t to = pair->pages / 2 + below(pair->pages - pair->pages / 2 - count + 1);
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (chance(20) ? 4 /* MREMAP_DONTUNMAP */ : 0);
    if (chance(50)) {
        size_t swap = from;
        from = to;
        to = swap;
    }
    if (!remap_both(pair, from, count, to, count, flags)) {
        forget(pair, from, count);
        forget(pair, to, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        /* Linux 6.17 and later skip a hole in the source, and leave what the target had there. */
        bool hole = pair->attributes[from + i] & A_HOLE;
        pair->source[to + i] = hole ? -2 : pair->source[from + i];
        pair->attributes[to + i] = hole ? A_HOLE : pair->attributes[from + i] | A_MOVED;
    }
    pair_set(pair, from, from + count, flags & 4 ? 0 : A_HOLE,
             flags & 4 ? A_CONTENT | A_LOCKED | A_ON_FAULT : ~0u);
}

static void grow(struct pair *pair)
{
    size_t at = below(pair->pages), more = 1 + below(4);
    if (at + 1 + more > pair->pages || !remap_both(pair, at, 1, at, 1 + more, 0))
        return;
    for (size_t i = at + 1; i <= at + more; i++) {
        int32_t source = pair->source[i - 1] < 0 ? pair->source[i - 1] : pair->source[i - 1] + 1;
        pair->source[i] = source >= (int32_t)pair->pages ? -2 : source;
        pair->attributes[i] = pair->attributes[at] & ~(uint32_t)A_CONTENT;
    }
}

void op_remap(struct pair *pair)
{
    unsigned how = (unsigned)below(100);
    if (pair->pages < 4 || (pair->kind->bits & (K_HUGE | K_LARGE)))
        return;
    if (how < 60) {
        move_apart(pair);
    } else if (how < 80) {
        size_t at = below(pair->pages - 2), count = 2 + below(pair->pages - at - 2);
        size_t keep = 1 + below(count - 1);
        if (remap_both(pair, at, count, at, keep, 0))
            pair_set(pair, at + keep, at + count, A_HOLE, ~0u);
    } else {
        grow(pair);
    }
    compare_pair(pair);
}

static struct outcome lock(uint8_t *at, size_t length, unsigned how)
{
    switch (how) {
    case 0:
        return took(mlock(at, length));
    case 1:
        return took(mlock2(at, length, MLOCK_ONFAULT));
    case 2:
        return took(syscall(SYS_mlock, at, length));
    default:
        return took_raw(raw_call(SYS_mlock, (long)at, (long)length, 0, 0, 0, 0));
    }
}

void op_lock(struct pair *pair)
{
    size_t first, end;
    struct outcome outcome[2];
    unsigned how = world.group->classes & OPS_INLINE_LOCK ? 3 : (unsigned)below(3);
    bool unlock = chance(50);
    pick(pair, &first, &end);
    if (unlock && chance(60)) {
        first = 0;
        end = pair->pages;
    }
    note("%s slot %u: pages %zu to %zu, way %u", unlock ? "munlock" : "mlock", pair->slot, first, end, how);
    for (int side = REAL; side <= LIBRARY; side++) {
        uint8_t *at = pair->at[side] + first * PAGE;
        size_t length = (end - first) * PAGE;
        outcome[side] = unlock ? took(munlock(at, length)) : lock(at, length, how);
    }
    if (same("mlock", outcome[REAL], outcome[LIBRARY]))
        pair_set(pair, first, end, unlock ? 0 : how == 1 ? A_ON_FAULT : A_LOCKED, A_LOCKED | A_ON_FAULT);
    compare_pair(pair);
}

/* The same advice for both sides; true if both took it. */
static bool advise(struct pair *pair, size_t first, size_t end, int advice)
{
    size_t length = (end - first) * PAGE;
    note("madvise slot %u: pages %zu to %zu, advice %d", pair->slot, first, end, advice);
    struct outcome real = took_raw(raw_madvise(pair->at[REAL] + first * PAGE, length, advice));
    return same("madvise", real, took(madvise(pair->at[LIBRARY] + first * PAGE, length, advice)));
}

void op_guard(struct pair *pair)
{
    size_t first, end;
    bool install = chance(60);
    if (!has(HAS_GUARD) || (pair->kind->bits & K_HUGE))
        return;
    pick(pair, &first, &end);
    if (install && end > first + 3)
        end = first + 3;
    if (advise(pair, first, end, install ? ADVICE_GUARD_INSTALL : ADVICE_GUARD_REMOVE)) {
        if (install)
            pair_set(pair, first, end, A_GUARD, A_CONTENT);
        else if (pair_any(pair, first, end) & A_GUARD)
            pair_set(pair, first, end, A_UNGUARDED, A_GUARD);
    }
    compare_pair(pair);
}

void op_free(struct pair *pair)
{
    size_t first, end;
    pick(pair, &first, &end);
    if (advise(pair, first, end, ADVICE_FREE))
        pair_set(pair, first, end, A_LAZY, 0);
    compare_pair(pair);
}

/* One step with its reset: a comparison in between would bring the pages back in. */
void op_page_out(struct pair *pair)
{
    size_t first, end;
    /* Paging out a page given to MADV_FREE drops it, on either side at another time. */
    if (!has(HAS_SWAP) || (pair_any(pair, 0, pair->pages) & A_LAZY) || (pair->kind->bits & K_LARGE))
        return;
    pick(pair, &first, &end);
    fill_pages(pair, first, end, PAGE, (uint8_t)(1 + below(255)));
    if (advise(pair, first, end, ADVICE_PAGEOUT))
        pair_set(pair, first, end, A_PAGED_OUT, 0);
    if (chance(30)) /* some come back, clean but still with a copy in swap */
        for (int side = REAL; side <= LIBRARY; side++)
            (void)touch_scan(pair->at[side] + first * PAGE, PAGE);
    op_reset(pair);
    pair_set(pair, 0, pair->pages, 0, A_PAGED_OUT); /* the comparison has read them all */
}

void op_huge(struct pair *pair)
{
    size_t half = HUGE / PAGE, first = half * below(2), end = chance(50) ? first + half : 2 * half;
    unsigned how = (unsigned)below(10);
    if (pair->kind->number != KIND_thp)
        return;
    if (how < 2) {
        advise(pair, first, first + half, how ? ADVICE_HUGEPAGE : ADVICE_NOHUGEPAGE);
        advise(pair, 0, pair->pages, ADVICE_HUGEPAGE);
    } else if (how < 5) {
        /* The huge zero page comes only where nothing is left; past the library, which may keep what it
         * resets. */
        for (int side = REAL; side <= LIBRARY; side++) {
            raw_madvise(pair->at[side] + first * PAGE, HUGE, ADVICE_DONTNEED);
            touch_scan(pair->at[side] + first * PAGE, PAGE);
        }
    } else {
        fill_pages(pair, first, first + 1, PAGE, (uint8_t)(1 + below(255)));
    }
    if (chance(30)) {
        first += below(half);
        end = first + 1 + below(2 * half - first);
    }
    reset_pages(pair, first, end);
}

void map_advise_fork(struct pair *pair, int advice)
{
    size_t first, end;
    pick(pair, &first, &end);
    if (advise(pair, first, end, advice)) {
        uint32_t set = advice == ADVICE_WIPEONFORK ? A_WIPE_LATER : advice == ADVICE_DONTFORK ? A_NO_FORK : 0;
        pair_set(pair, first, end, set, advice <= ADVICE_DOFORK ? A_NO_FORK : A_WIPE_LATER);
    }
    compare_pair(pair);
}

void op_fork_advice(struct pair *pair)
{
    static const int advices[] = {ADVICE_WIPEONFORK, ADVICE_KEEPONFORK, ADVICE_DONTFORK, ADVICE_DOFORK};
    map_advise_fork(pair, PICK(&world.random, advices));
}

/* What stops a walk: memory before, perhaps a hole, locked memory, memory after. */
void op_stop(struct pair *pair)
{
    size_t pages = pair->pages, bad = pages / 2;
    bool hole = chance(50);
    if (pages < 5 || (pair->kind->bits & (K_LARGE | K_ONCE)) || (pair_any(pair, 0, pages) & A_HOLE))
        return;
    fill_pages(pair, 0, pages, PAGE, (uint8_t)(1 + below(255)));
    for (int side = REAL; side <= LIBRARY; side++) {
        mlock(pair->at[side] + bad * PAGE, PAGE);
        if (hole)
            route_munmap(pair->at[side] + (bad - 1) * PAGE, PAGE);
    }
    note("slot %u: page %zu locked%s", pair->slot, bad, hole ? ", a hole before it" : "");
    pair_set(pair, bad, bad + 1, A_LOCKED, 0);
    if (hole)
        pair_set(pair, bad - 1, bad, A_HOLE, ~0u);
    reset_bytes(pair, 0, pages * PAGE, ADVICE_DONTNEED);
}
