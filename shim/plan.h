/* The plan of one call: what its range consists of, and how each piece is to be answered. */
#ifndef SHIM_PLAN_H
#define SHIM_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/piece.h"
#include "shim/counters.h"
#include "shim/region.h"

enum { PLAN_PIECES = 8 };

/* A reset that goes as the last one did teaches nothing: between turns its cached plan answers it
   (steady.h). */
enum steady {
    STEADY_NOT,
    STEADY_WHOLE,   /* its pieces are written whole, */
    STEADY_VECTORS, /* ... anonymous ones by vectors, as string instructions take longer; */
    STEADY_FILL,    /* ... by the kernel, being anonymous, as a store may fault */
    STEADY_SCAN,    /* one scan of them all finds few dirty pages, as many as the last did */
};

struct plan_answer {
    uint8_t hindrance; /* an enum reason; REASON_COUNT: it can be served */
    int8_t rule;       /* -1: none */
};
_Static_assert(REASON_COUNT <= UINT8_MAX && RULES_MAX <= INT8_MAX, "both fit");

struct plan {
    unsigned count;
    uint32_t matched; /* bit i: rule i matched some of it */
    bool unconfirmed; /* read from the text of maps, at some earlier time */
    bool promised;    /* every rule in it is vma=cache: the mappings are what the plan says until they are
                         changed */
    bool cached;      /* ... and no change was seen since the last reset, */
    uint8_t steady;   /* an enum steady: how the next goes, but on a turn */
    uint64_t era;     /* plan_cache_era, when it was made */
    struct plan_answer answer[PLAN_PIECES]; /* to each piece */
    struct piece piece[PLAN_PIECES];
};

/* Fills plan for the call: asks the kernel about each mapping and matches the rules, or takes it from the
   cache where the rules allow. Returns REASON_COUNT, or why the whole call must be forwarded; matched
   then says, too, which rules matched some of it. Signal-safe. Stack: 900 bytes. */
enum reason plan_call(const struct call *call, int advice, struct plan *plan);

/* Asks the kernel whether these pieces, of which a plan for calls from start once consisted, are still what
   is mapped there, and not locked: then a plan that is made now has the same rules for them. Signal-safe. */
bool plan_stands(uintptr_t start, int advice, const struct piece *piece, unsigned count);

/* Leaves what lies behind end, which is in the plan, to the real call. */
void plan_trim(struct plan *plan, uintptr_t end);

/* Leaves [from, to), which must lie within one piece of a plan that begins at start and not reach its end, to
   the real call, as a piece of its own. Where it does not, or there are too many pieces, nothing is cut. */
void plan_cut(struct plan *plan, uintptr_t start, uintptr_t from, uintptr_t to);

#endif
