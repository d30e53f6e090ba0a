#include "shim/given_up.h"

#include "scan/call_path.h"
#include "shim/caller.h"
#include "shim/region.h"
#include "shim/reset_call.h"
#include "shim/slots.h"
#include "shim/state.h"

/* Of a call of another length than the one before: does a rule match it, too? */
static __attribute__((noinline)) bool is_matched(uintptr_t start, size_t length, uintptr_t caller)
{
    struct call call = {.start = start, .end = call_end(start, length)};
    if (process.rules.any_caller)
        call.callers = caller_matches(caller);
    return region_may_match(&process.rules, &call);
}

/* A policy that does not learn has given nothing up. */
INLINED bool given_up_call(uintptr_t start, size_t length, uintptr_t caller, enum reason *reason)
{
    uint32_t pages;
    if (likely(!slot_is_given_up(start, &pages, reason)) || counters_turn_is_due() || !state_is_entered() ||
        standing_reason() != REASON_COUNT || process.pkeys || process.rules.any_forced)
        return false;
    uint64_t wanted = (call_end(start, length) - start) / PAGE;
    return (likely(slot_pages(wanted) == pages) && !process.rules.any_caller) ||
           is_matched(start, length, caller);
}
