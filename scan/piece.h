/* The pieces that a reset consists of, and what to ask of their pages. */
#ifndef SCAN_PIECE_H
#define SCAN_PIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/call_path.h"
#include "scan/image.h"
#include "scan/pagemap.h"

/* A page-aligned piece within one mapping, which is private, readable and writable. */
struct piece {
    uintptr_t end;      /* it starts where the one before ended */
    uint64_t offset;    /* of its start in the image, bytes */
    struct image image; /* kind IMAGE_NONE: anonymous, its snapshot is zeroes */
};

/* Has the piece that begins at start its content in the image to the end? */
static inline bool piece_image_is_whole(const struct piece *piece, uintptr_t start)
{
    return piece->offset + (piece->end - start) <= piece->image.size;
}

static inline bool piece_is_anonymous(const struct piece *piece)
{
    return piece->image.kind == IMAGE_NONE;
}

/* Of a piece that begins at start. */
static inline bool piece_is_plain(const struct piece *piece, uintptr_t start)
{
    return piece_is_anonymous(piece) ||
           (piece->image.kind == IMAGE_SEALED && piece_image_is_whole(piece, start));
}

/* Were the bytes right that were copied from its image? */
static inline bool piece_stands(const struct piece *piece)
{
    return piece_is_anonymous(piece) || image_stands(&piece->image);
}

static inline bool pieces_stand(const struct piece *piece, unsigned count)
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
ALWAYS_INLINE void pieces_choose_categories(const struct piece *piece, unsigned count,
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

#endif
