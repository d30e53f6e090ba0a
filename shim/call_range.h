/* Which pages a call is about. */
#ifndef SHIM_CALL_RANGE_H
#define SHIM_CALL_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/prim.h"
#include "shim/region.h"

/* The kernel rounds the length up to pages. */
static inline uintptr_t call_end(uintptr_t start, size_t length)
{
    return start + ((length + PAGE - 1) & -(size_t)PAGE);
}

/* Is there anything odd about address or length, so that it is the kernel's to answer? It judges what ends
   beyond the highest user address with 57 bits. */
static inline bool call_is_odd(uintptr_t start, size_t length)
{
    const uintptr_t user_end = (uintptr_t)1 << 56, end = call_end(start, length);
    return start % PAGE || !length || end <= start || end > user_end || length > user_end;
}

static inline uint64_t call_pages(const struct call *call)
{
    return (call->end - call->start) / PAGE;
}

#endif
