/* mode=observe: every call goes to the kernel as the program made it, after a look at what a reset would have
   found. */
#ifndef SHIM_OBSERVE_H
#define SHIM_OBSERVE_H

#include <stddef.h>

#include "shim/region.h"

/* Answers a call that reset_judge let pass with the real call, and enters what it was into the observations.
   length is the program's own; probe: this is one of the few calls
   after which the cost of a page fault is measured. Returns what the kernel returned. Signal-safe. Stack:
   under 2 KiB. */
long observe_call(const struct call *call, size_t length, int advice, bool probe);

#endif
