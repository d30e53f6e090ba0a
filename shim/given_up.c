#include "shim/given_up.h"

#include "scan/call_path.h"
#include "shim/call_range.h"
#include "shim/caller.h"
#include "shim/region.h"
#include "shim/slots.h"
#include "shim/state.h"

/* Of a call of another length than the one before: is it for any rule, too? */
static __attribute__((noinline)) bool is_matched(uintptr_t start, size_t length, uintptr_t caller)
{
    struct call call = {.start = start, .end = call_end(start, length)};
    if (call_is_odd(start, length))
        return false;
    if (process.rules.any_caller)
        call.callers = caller_matches(caller);
    return region_may_match(&process.rules, &call);
}

INLINED bool given_up_call(uintptr_t start, size_t length, uintptr_t caller, enum reason *reason)
{
    uint32_t pages;
    /* Where some rule's policy does not learn, the history does not say which rule's range was given up. */
    if (likely(!slot_is_given_up(start, &pages, reason)) || counters_turn_is_due() || !state_is_entered() ||
        standing_reason() != REASON_COUNT || process.pkeys || process.rules.any_forced)
        return false;
    bool same = (call_end(start, length) - start) / PAGE == pages;
    return (likely(same) && !process.rules.any_caller) || is_matched(start, length, caller);
}
