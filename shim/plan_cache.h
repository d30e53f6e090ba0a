/* Plans that were made before. Of vma=cache rules they are used again until a mapping call is seen that
   touches their range; of others they say how calls go alike (steady.h), and are to be confirmed
   (plan_stands). */
#ifndef SHIM_PLAN_CACHE_H
#define SHIM_PLAN_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/plan.h"

/* Longer plans are not kept. */
enum { CACHED_PIECES = 2 };

/* A cached plan covers this key exactly. */
struct plan_key {
    uintptr_t start, end;
    uint32_t callers; /* as in struct call */
    int advice;
};

static inline struct plan_key plan_key_of(const struct call *call, int advice)
{
    return (struct plan_key){call->start, call->end, call->callers, advice};
}

/* Says that mappings in [start, start+length) may have changed. Call it before and after a mapping call. */
void plan_cache_forget(uintptr_t start, uintptr_t length);
void plan_cache_forget_all(void);

/* A number that changes when plan_cache_forget touches the range: take it before asking the kernel. */
uint64_t plan_cache_era(const struct plan_key *key);

/* Finds a plan of the key's era. Only plans of at most CACHED_PIECES, all served, are kept. Lock-free: an
   entry that two threads wrote at once is recognised and not used. */
bool plan_cache_find(const struct plan_key *key, struct plan *plan);
void plan_cache_remember(const struct plan_key *key, uint64_t era, const struct plan *plan);

/* Where a plan is kept that may say how calls go which start there; or NULL. Two loads. */
struct plan_entry;
struct plan_entry *plan_cache_may_be_steady(uintptr_t start);

/* What is needed of a plan that says how its calls go. */
struct steady_plan {
    unsigned count;
    uint32_t matched; /* bit i: rule i matched some of it, and served it */
    uint8_t rule;     /* the first piece's */
    bool promised;    /* else the kernel is still to be asked (plan_stands) */
    struct piece piece[CACHED_PIECES];
};

/* How calls of this key go, by that entry: STEADY_NOT where it is of another key or era, and *plan is nothing
   then. */
enum steady plan_cache_steady(const struct plan_entry *entry, const struct plan_key *key,
                              struct steady_plan *plan);

/* Changes what a cached plan of that era, all of whose pieces are plain, says there. A plan that another
   thread has remembered since, after a mapping call, is left alone. */
void plan_cache_note_steady(const struct plan_key *key, uint64_t era, enum steady steady);

/* A call of this key, for which that entry was found, went otherwise: it says nothing any more. */
void plan_cache_end_steady(struct plan_entry *entry, const struct plan_key *key);

/* Could the calls of this key go alike: can the pieces of its plan be stored to with no more questions? */
bool plan_cache_can_be_steady(const struct plan_key *key, const struct plan *plan);

#endif
