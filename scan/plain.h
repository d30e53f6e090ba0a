/* The restore of a plain piece's runs: as far as the mapping is what such a piece says, each page of it can
   be stored to with no more questions. Inlined into every served call. */
#ifndef SCAN_PLAIN_H
#define SCAN_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/call_path.h"
#include "scan/pagemap.h"
#include "scan/prim.h"
#include "scan/piece.h"
#include "scan/stores.h"

/* A run outside of its scan would be written to all the same: the vector was clobbered. */
static inline bool run_is_within(const struct page_region *run, uintptr_t from, uintptr_t end)
{
    return likely(run->start >= from && run->end <= end && run->end > run->start);
}

/* Of the runs up to behind, restores those up to the first that is not within [*from, end) of the plain piece
   that begins at start, or of some category, and returns where that is. *from is then where the run before
   ended, and to *pages is added what was restored. All that is needed is in registers: a function that is
   given a run at a time loads everything anew after each store, 5 to 10 ns a run. Copies are left to string
   instructions: vectors take 75 ns a page and those 50, where 32 pages of 8 ranges lie apart (Zen 5). */
ALWAYS_INLINE struct page_region *plain_restore_runs(const struct piece *piece, uintptr_t start,
                                                     struct page_region *run,
                                                     const struct page_region *behind, uintptr_t *from,
                                                     uintptr_t end, bool vectors_free, uint64_t *pages)
{
    const char *view = piece_is_anonymous(piece) ? NULL : piece->image.view + piece->offset;
    uintptr_t at = *from, restored = 0;
    for (; run < behind && likely(run_is_within(run, at, end) && !run->categories); run++) {
        uintptr_t first = run->start, length = run->end - first;
        stores_announce(run[run + 1 < behind].start);
        if (unlikely(view != NULL))
            stores_copy(first, view + (first - start), length, false);
        else
            stores_zeroes(first, length, vectors_free);
        restored += length;
        at = first + length;
    }
    *pages += restored / PAGE;
    *from = at;
    return run;
}

#endif
