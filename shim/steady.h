/* Calls that go as the last one of their range went, and teach nothing: answered from the cached plan, and
   with vma=check the kernel's word that it still stands, alone. So it is until something says otherwise: a
   mapping call, a turn (1 call in 32), half of the budget, short memory, or other pages. */
#ifndef SHIM_STEADY_H
#define SHIM_STEADY_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/plan.h"

struct judged;   /* reset_call.h */
struct plan_key; /* plan_cache.h */
struct work;     /* carry_out.h */

/* Resets and counts a call that judged calls steady. False where it turns out to be another one: it is then
   to be answered anew. Signal-safe. Stack: 1.4 KiB. */
bool steady_answer(const struct judged *judged, int advice);

/* How will the next call go? This one was carried out, and its range keeps so many pages. */
enum steady steady_next(const struct plan_key *key, const struct work *work, uint64_t kept);

#endif
