/* Answers one MADV_DONTNEED or MADV_DONTNEED_LOCKED call on this process's memory. */
#ifndef SHIM_RESET_CALL_H
#define SHIM_RESET_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "scan/call_path.h"
#include "scan/prim.h"
#include "shim/call_range.h"
#include "shim/counters.h"
#include "shim/given_up.h"
#include "shim/policy.h"
#include "shim/region.h"
#include "shim/statistics.h"

/* A call that may be served, and what was found out on the way to it. */
struct judged {
    struct call call;
    bool turn;                   /* counters_timed_turn: one of few, on which things are measured */
    uint32_t epoch;              /* of forks, when it began */
    struct slot_history history; /* of its range, as it was read */
};

/* reset_serve, but for what comes after every call. */
long reset_judged(const struct judged *judged, size_t length, int advice);

/* What can be said before the mappings are known: REASON_COUNT and *judged filled, or why to forward. caller
   is the return address of the program's call, for caller= rules. */
enum reason reset_judge(uintptr_t start, size_t length, uintptr_t caller, struct judged *judged);

/* Serves or forwards a call that reset_judge let pass, and counts what it did. length is the program's own.
   Returns what the kernel would: 0 or a negative errno. Stack: under 2 KiB. */
ALWAYS_INLINE long reset_serve(const struct judged *judged, size_t length, int advice)
{
    long result = reset_judged(judged, length, advice);
    /* Not in a deeper frame: it may write files, and a message when that fails. */
    statistics_after_call(judged->turn);
    return result;
}

/* Counts a real call that was made in the program's place, and what came of it. turn: counters_timed_turn. */
static inline void reset_count_forwarded(enum reason reason, size_t length, long result, bool turn)
{
    count_real_call(reason, result == 0 ? prim_pages(length) : 0);
    statistics_after_call(turn);
}

/* Serves or forwards madvise(start, length, advice), where steady_call does not answer it. May run anywhere:
   in malloc, in a signal handler, on a small stack. errno is not touched.

   Inlined for the sake of calls that are ruled out or given up: where the kernel guards its returns against
   speculation (AMD's Safe RET), each function that is returned from after a system call but was called before
   it costs 8 ns. */
ALWAYS_INLINE long reset_call(uintptr_t start, size_t length, int advice, uintptr_t caller, bool vectors_free)
{
    struct judged judged;
    enum reason reason;
    bool turn = false;
    if (given_up_call(start, length, caller, &reason)) {
        counters_turn_is_over();
    } else {
        reason = reset_judge(start, length, caller, &judged);
        judged.call.vectors_free = vectors_free;
        if (likely(reason == REASON_COUNT))
            return reset_serve(&judged, length, advice);
        turn = counters_timed_turn();
    }
    long result = prim_madvise(start, length, advice);
    reset_count_forwarded(reason, length, result, turn);
    return result;
}

#endif
