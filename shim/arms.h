/* Whether this process serves just now: mode=ab's slices, mode=coin's toss, and the switch in the live file.
 */
#ifndef SHIM_ARMS_H
#define SHIM_ARMS_H

#include <stdbool.h>

#include "scan/call_path.h"
#include "shim/pairs.h"
#include "shim/state.h"

/* Tosses the coin, or begins the first slice. At start-up, and in a fork child when it has a state of its
   own: a child tosses a coin of its own, measures from nothing, and starts switched on. */
void arms_start(void);

/* Does what the live file's switch says, which is read every 10 ms at most. Only where the file is ours.
   Signal-safe. */
void arms_look_at_switch(void);

/* Ends a slice when its time is over. Signal-safe. */
void arms_look(void);

/* To be called after every call. */
static inline void arms_after_call(void)
{
    if (unlikely(process.options.mode == MODE_AB))
        arms_look();
}

/* The label of all that is counted: "on" or "off"; "both" under mode=ab. */
const char *arms_label(void);

/* What mode=ab has measured; NULL in other modes. */
const struct pairs *arms_pairs(void);

#endif
