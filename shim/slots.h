/* What is remembered of each reset range: hints for the policy, never a reason to believe memory is clean. */
#ifndef SHIM_SLOTS_H
#define SHIM_SLOTS_H

#include <stdint.h>

struct slot_history {
    uint32_t kept;   /* pages the last reset restored, which stay resident */
    uint8_t streak;  /* see policy.h */
    uint8_t rule;    /* whose kept bytes they are */
    uint16_t serves; /* how often served, up to 65535 */
};

/* The history of the range that starts at start; zeroes when there is none. Lock-free; an entry that two
   threads wrote at once is recognised and forgotten. */
struct slot_history slot_read(uintptr_t start);

/* Remembers it, in place of another range's when the table is crowded. Returns what was in its place, so that
   the caller can account for kept pages that are now forgotten. */
struct slot_history slot_write(uintptr_t start, struct slot_history history);

void slots_clear(void);

#endif
