/* Calls that go as the last one of their range went, and teach nothing: answered from the cached plan alone.
   That is possible where it may be used again (vma=cache), and done until something says otherwise: a mapping
   call, a turn (1 call in 32), half of the budget, short memory, or other pages. */
#ifndef SHIM_STEADY_H
#define SHIM_STEADY_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/carry_out.h"
#include "shim/reset_call.h"

/* How will the call after this one go, which was carried out and after which its range kept so many pages? */
enum steady steady_next(const struct work *work, uint64_t kept);

#endif
