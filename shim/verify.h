/* mode=verify: after a reset, every byte must be what the real call would show. */
#ifndef SHIM_VERIFY_H
#define SHIM_VERIFY_H

#include "shim/plan.h"

/* Compares the served pieces of a call with their snapshots, as far as pages are there, reading in a way that
   cannot fault and without asking any scan (not at all when all vectors are lent). A difference is counted
   and reported, and mended by the real call over the whole range, whose result is returned; otherwise 0.
   Another thread that writes to the range meanwhile looks like a difference. Stack: 300 bytes. */
long verify_call(const struct call *call, const struct plan *plan, int advice);

/* Says that a mapping of the call's range is not what vma=cache would have taken it for, and counts one
 * difference. */
void verify_report_mapping(const struct call *call);

#endif
