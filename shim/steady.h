/* Calls that go as the last one of their range went, and teach nothing: answered from the cached plan, and
   with vma=check the kernel's word that it still stands, alone. So it is until something says otherwise: a
   mapping call, a turn (1 call in 64), half of the budget, short memory, or other pages. */
#ifndef SHIM_STEADY_H
#define SHIM_STEADY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/plan.h"

struct plan_key;     /* plan_cache.h */
struct work;         /* carry_out.h */
struct slot_history; /* policy.h */

/* Resets and counts madvise(start, length, advice), a DONTNEED, where calls from there are known to go alike.
   False where they are not, or where this one turns out to be another: it is then to be answered by
   reset_call, which is exact after this. vectors_free: as in struct call. Signal-safe. Stack: 1.4 KiB.

   Inlined, where the linker optimises, into what the program calls, which then jumps to the other way of
   answering, or to statistics_after_call where that is wanted: after a system call each more function that is
   returned from costs 8 ns, and neither may go on below this frame. */
bool steady_call(uintptr_t start, size_t length, int advice, uintptr_t caller, bool vectors_free);

/* How will the next call go? This one was carried out, and this is remembered of its range. */
enum steady steady_next(const struct plan_key *key, const struct work *work,
                        const struct slot_history *history);

#endif
