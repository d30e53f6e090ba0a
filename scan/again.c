#include "scan/again.h"

#include "scan/plain.h"

/* Restores the part of a run that lies within this piece, where the run is a zero page's or reaches into the
   next piece, and cuts it off the run. False where the run is something else. */
static __attribute__((noinline)) bool restore_odd(const struct piece *piece, uintptr_t start,
                                                  struct page_region *run, uintptr_t *from, bool vectors_free,
                                                  uint64_t *pages)
{
    struct page_region part = {run->start, run->end < piece->end ? run->end : piece->end, 0};
    if (run->categories & ~(uint64_t)CATEGORY_ZERO || !run_is_within(&part, *from, piece->end))
        return false;
    if (!(run->categories && piece_is_anonymous(piece)))
        plain_restore_runs(piece, start, &part, &part + 1, from, piece->end, vectors_free, pages);
    *from = run->start = part.end;
    return true;
}

/* Returns how many pages were restored, or UINT64_MAX where not all runs could be. */
ALWAYS_INLINE uint64_t restore(const struct piece *piece, unsigned count, uintptr_t start,
                               struct page_region *run, const struct page_region *behind, bool vectors_free)
{
    const struct piece *last = piece + count - 1;
    uintptr_t from = start;
    uint64_t pages = 0;
    while (true) {
        run = plain_restore_runs(piece, start, run, behind, &from, piece->end, vectors_free, &pages);
        if (likely(run == behind))
            return pages;
        if (run->start >= piece->end && piece < last)
            start = piece++->end;
        else if (likely(run->categories == CATEGORY_ZERO) && piece_is_anonymous(piece) &&
                 run_is_within(run, from, piece->end))
            from = run++->end; /* read, not written */
        else {
            /* Of a copy, so that the piece itself need not be in memory. */
            const struct piece other = *piece;
            if (!restore_odd(&other, start, run, &from, vectors_free, &pages))
                return UINT64_MAX;
            run += run->start == run->end;
        }
    }
}

INLINED bool again_scanned(int pagemap, uintptr_t start, const struct piece *piece, unsigned count,
                           uint64_t dirty, bool vectors_free, uint64_t *pages_scanned)
{
    struct page_region few[AGAIN_FEW], *regions = few;
    struct loan claim;
    struct pagemap_scan scan;
    scan.fd = pagemap;
    scan.capacity = AGAIN_FEW;
    if (unlikely(dirty >= AGAIN_FEW)) {
        struct page_region *many = regions_claim(&claim);
        regions = many ? many : few;
        scan.capacity = many ? REGIONS_MANY : AGAIN_FEW;
    }
    scan.position = start;
    scan.end = piece[count - 1].end;
    scan.slice = 0;
    scan.regions = regions;
    scan.complement = false;
    pieces_choose_categories(piece, count, &scan);
    /* One page more than are expected: where there are more, the scan stops before the end. Zero pages may be
       reported too, and none knows how many. */
    int found = pagemap_next(&scan, likely(!(scan.asked & CATEGORY_ZERO)) ? dirty + 1 : UINT64_MAX);
    *pages_scanned = (scan.position - start) / PAGE;
    bool again = false;
    if (likely(found >= 0 && scan.position == scan.end)) {
        uint64_t restored = restore(piece, count, start, regions, regions + found, vectors_free);
        again = likely(restored == dirty) && likely(!scan.file_end || pieces_stand(piece, count));
    }
    if (unlikely(regions != few))
        regions_release(&claim);
    return again;
}

INLINED bool again_whole(uintptr_t start, const struct piece *piece, unsigned count, bool vectors_free,
                         bool by_vectors)
{
    /* Beside an image vectors lose where the first cache does not hold both (Zen 5: 16 KiB, a quarter of it
       an image, 8 slots: 146 ns and 124; one slot the other way round). */
    bool vectors_pay = vectors_free && piece_is_anonymous(&piece[0]) &&
                       (likely(count == 1) || piece_is_anonymous(&piece[1]));
    for (unsigned i = 0; i < count; start = piece[i++].end) {
        size_t length = piece[i].end - start;
        if (unlikely(!piece_is_anonymous(&piece[i])))
            stores_copy(start, piece[i].image.view + piece[i].offset, length, vectors_free);
        else if (by_vectors)
            stores_zeroes_by_vectors(start, length);
        else
            stores_zeroes(start, length, vectors_pay);
    }
    return pieces_stand(piece, count);
}
