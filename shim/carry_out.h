/* Carries out the plan of one call, piece by piece. */
#ifndef SHIM_CARRY_OUT_H
#define SHIM_CARRY_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/reset.h"
#include "shim/plan.h"

/* One call as it is carried out. */
struct work {
    const struct call *call;
    const struct plan *plan;
    struct reset_account account; /* advice, audit and times are given, the rest comes out */
    bool learning;                /* a look or an audit: scan, whatever it costs */
    uint64_t pages_most;          /* the budget's limit to what may be restored */
    uint32_t expected;            /* pages that a scan will find dirty: a hint; 0: not known */
    uint32_t resident;            /* pages that surely are, for they are kept; 0: not known */
    uint32_t dirty,
        image_dirty;  /* pages that were written in a cycle when last seen, and those of an image, */
    bool known;       /* if they were */
    uint32_t page_ns; /* that a page took when all of it was written; 0: not known */
    bool tries_other; /* it is written by other stores than it mostly is */
    uint32_t touched; /* pages, found by a look before */

    /* Comes out. */
    uint32_t served;           /* bit i: rule i served a piece */
    uint8_t rule;              /* the first that did */
    uint32_t image_written;    /* pages of images that were restored, and not in vain */
    uint64_t image_pages;      /* of the call */
    enum reason first_decline; /* of the pieces that none did; or REASON_COUNT */

    /* While it is carried out. */
    bool all_possible; /* every piece can be written whole */
    bool stores_safe;  /* a blind restore may use plain stores */
    uintptr_t pending; /* [pending, position) waits for the real call */
};

/* Resets all pieces in address order, and gives what is left of the call to the real one. Returns 0, or a
   negative errno: the caller gives the whole range to the real call, which is exact whatever was done so far.
   Signal-safe. Stack: 1.3 KiB. */
long carry_out(struct work *work);

#endif
