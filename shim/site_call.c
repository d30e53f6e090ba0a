#include "shim/site_call.h"

#include <sys/mman.h>

#include "hooks/site_numbers.h"
#include "scan/prim.h"
#include "shim/keeping.h"
#include "shim/madvise.h"
#include "shim/mappings.h"
#include "shim/own_stack.h"
#include "shim/reset_call.h"
#include "shim/stack_room.h"
#include "shim/state.h"
#include "shim/statistics.h"
#include "shim/steady.h"

/* The stub has pushed a frame and this goes on below it: a range near the stack is the host's to drop, after
   all that is popped. Above the frame lie the red zone and what the caller may hold. */
enum { FRAME_ABOVE = 512 };

static bool covers_stack(const struct hook_call *call, uintptr_t start, size_t length)
{
    uintptr_t frame = (uintptr_t)call;
    return start < frame + FRAME_ABOVE + STACK_ABOVE && frame - STACK_BELOW < start + length + PAGE - 1;
}

static __attribute__((noinline)) int pass_on_other(int advice)
{
    state_enter();
    state_note_advice(advice);
    count(COUNTER_real_calls, 1);
    statistics_after_call(false);
    return 0;
}

/* In a frame of its own, which is gone when the call is to be answered otherwise. */
static __attribute__((noinline)) bool goes_as_before(const struct hook_call *call)
{
    const long *a = call->arguments;
    return steady_call((uintptr_t)a[0], (size_t)a[1], (int)a[2], call->after, false);
}

static int decide_madvise(struct hook_call *call)
{
    uintptr_t start = (uintptr_t)call->arguments[0];
    size_t length = (size_t)call->arguments[1];
    int advice = (int)call->arguments[2];
    struct judged judged;
    if (!advice_is_reset(advice))
        return pass_on_other(advice);
    bool apart = !covers_stack(call, start, length);
    if (likely(apart) && likely(goes_as_before(call))) {
        statistics_after_call(false);
        call->number = 0;
        return 1;
    }
    enum reason reason = REASON_own_stack;
    if (likely(apart) && !given_up_call(start, length, call->after, &reason))
        reason = reset_judge(start, length, call->after, &judged);
    if (reason == REASON_COUNT) {
        judged.call.at_site = true;
        call->number = reset_serve(&judged, length, advice);
        return 1;
    }
    /* What comes of it is not seen, but these fail. */
    bool fails = reason == REASON_arguments || reason == REASON_locked || reason == REASON_unmapped;
    reset_count_forwarded(reason, length, fails ? -1 : 0, counters_timed_turn());
    return 0;
}

static bool maps_over_stack(const struct hook_call *call)
{
    const long *a = call->arguments;
    size_t length = (size_t)a[1];
    if (mapping_is_anywhere(call->number))
        return false;
    if (call->number == SYS_mremap) {
        size_t wanted = (size_t)a[2];
        if (a[3] & MREMAP_FIXED && covers_stack(call, (uintptr_t)a[4], wanted))
            return true;
        length = wanted > length ? wanted : length;
    }
    return covers_stack(call, (uintptr_t)a[0], length);
}

/* A call that may take the stack away is the host's own to make, with nothing pushed. Nothing is forgotten
   after it, which would matter only to a thread that resets the stack of this one while it runs on it. */
static int decide_mapping(struct hook_call *call)
{
    if (!mapping_is_remembered() || !site_is_mapping((uint64_t)call->number))
        return 0;
    if (maps_over_stack(call)) {
        mapping_touching(call->number, call->arguments);
        return 0;
    }
    call->number = mapping_call(call->number, call->arguments);
    return 1;
}

int site_call_decide(struct hook_call *call)
{
    const long *a = call->arguments;
    if (call->number == SYS_madvise)
        return decide_madvise(call);
    if (call->number != SYS_process_madvise)
        return decide_mapping(call);
    return site_process_madvise((int)a[0], (const struct iovec *)a[1], (size_t)a[2], (int)a[3],
                                (unsigned)a[4], call->after, &call->number);
}

int site_call_decide_in_little_stack(struct hook_call *call)
{
    int result;
    /* All others need little. */
    if (call->number != SYS_madvise || !advice_is_reset((int)call->arguments[2]))
        return site_call_decide(call);
    /* Loans are taken by a process that has made its parent's state its own. */
    if (state_enter() && own_stack_decide(decide_madvise, call, &result))
        return result;
    uintptr_t start = (uintptr_t)call->arguments[0];
    size_t length = (size_t)call->arguments[1];
    keeping_dropped(start, length);
    count_real_call(REASON_busy, start % PAGE ? 0 : prim_pages(length));
    statistics_after_call(false);
    return 0;
}
