/* Pieces, what to ask of their pages, and the restore of plain ones: as far as the mapping is what such a
   piece says, each page of it can be stored to with no more questions. Inlined into every served call. */
#ifndef SCAN_PLAIN_H
#define SCAN_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/call_path.h"
#include "scan/pagemap.h"
#include "scan/prim.h"
#include "scan/reset.h"
#include "scan/stores.h"

static inline bool piece_is_anonymous(const struct reset_piece *piece)
{
    return piece->image.kind == IMAGE_NONE;
}

/* Of a piece that begins at start. */
static inline bool piece_is_plain(const struct reset_piece *piece, uintptr_t start)
{
    return piece_is_anonymous(piece) ||
           (piece->image.kind == IMAGE_SEALED && reset_image_is_whole(piece, start));
}

/* Were the bytes right that were copied from its image? */
static inline bool piece_stands(const struct reset_piece *piece)
{
    return piece_is_anonymous(piece) || image_stands(&piece->image);
}

static inline bool pieces_stand(const struct reset_piece *piece, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!piece_stands(&piece[i]))
            return false;
    return true;
}

/* Which pages of these pieces a scan passes over, and what it says of the others. In anonymous memory asking
   for FILE reads every page's struct page: only when there is an image. Where pieces of both kinds are
   scanned as one, zero pages are reported: they are clean in anonymous memory, but may be CoWed pages of a
   file (KSM with use_zero_pages). */
ALWAYS_INLINE void pieces_choose_categories(const struct reset_piece *piece, unsigned count,
                                            struct pagemap_scan *scan)
{
    unsigned images = 0;
    scan->file_end = 0;
    for (unsigned i = 0; i < count; i++)
        if (unlikely(!piece_is_anonymous(&piece[i]))) {
            images++;
            scan->file_end = piece[i].end;
        }
    scan->clean = CATEGORY_ZERO;
    scan->asked = CATEGORY_SWAPPED | CATEGORY_HUGE;
    if (unlikely(images != 0)) {
        scan->clean = CATEGORY_FILE;
        scan->asked |= images < count ? CATEGORY_ZERO : 0;
    }
}

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
ALWAYS_INLINE struct page_region *plain_restore_runs(const struct reset_piece *piece, uintptr_t start,
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
