/* Calls of ranges that the policy has given up: the real call, with as few branches before and after it as
   can be. They are paid for twice, for the kernel then finds fewer of its own in the processor's tables: 64
   branches and 32 functions before each real call, and the call and the page faults after it take 0.2 us
   longer, of a cycle of 7 (Zen 5). */
#ifndef SHIM_GIVEN_UP_H
#define SHIM_GIVEN_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/counters.h"

/* Is madvise(start, length), a DONTNEED, to be forwarded with nothing more known, and for which *reason? It
   is then no turn (counters_timed_turn). Else it is to be judged (reset_judge). Signal-safe. Inlined, where
   the linker optimises. */
bool given_up_call(uintptr_t start, size_t length, uintptr_t caller, enum reason *reason);

#endif
