/* The counters as a file, rewritten by rename, and when that is done. */
#ifndef SHIM_STATISTICS_H
#define SHIM_STATISTICS_H

#include "shim/arms.h"
#include "shim/live.h"
#include "shim/state.h"

/* Says in one line at warn if the file that stats= names cannot be made. Before main: later messages may
 * reach nobody. */
void statistics_try(void);

/* Writes the statistics if they were asked for and belong to this process; to stderr only at_end.
 * Signal-safe. */
void statistics_write(bool at_end);

/* Every 10 s or so rewrites the file and lets unused images go; after the destructors have run, rewrites it
   each time, as no later moment is known to come. */
void statistics_now_and_then(void);

/* Is there anything to do after a call that is none of the few? */
static inline bool statistics_want_calls(void)
{
    return process.live >= 0 || process.options.mode == MODE_AB || process.finished;
}

/* To be called after every call. now_and_then: this is one of the few that may look at the clock. */
static inline void statistics_after_call(bool now_and_then)
{
    if (unlikely(process.live >= 0) && live_publish())
        arms_look_at_switch();
    arms_after_call();
    if (unlikely(now_and_then || process.finished))
        statistics_now_and_then();
}

/* In a fork child: frees a lock that another thread of the parent may have held. */
void statistics_forget_lock(void);

#endif
