/* The table of histories (policy.h), by where a range starts. Bounded, lock-free, and exact about one thing:
   the sum of what its entries say is kept. */
#ifndef SHIM_SLOTS_H
#define SHIM_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/policy.h"

/* A range's length as its history holds it. */
static inline uint32_t slot_pages(uint64_t pages)
{
    enum { MOST = (1 << 24) - 1 };
    return pages < MOST ? (uint32_t)pages : MOST;
}

/* Copies the history of the range that starts at start; zeroes, which say SLOT_NEW, when there is none. An
   entry that two threads wrote at once is recognised and not believed. */
void slot_read(uintptr_t start, struct slot_history *history);

/* Was the range that starts at start, of so many pages, last reset under this rule, and is it to be again
   (SLOT_SERVE)? *kept is then how many pages it keeps. Three loads. */
bool slot_serves(uintptr_t start, uint64_t pages, uint8_t rule, uint32_t *kept);

/* Is the range that starts at start given up (SLOT_GIVEN_UP), and for which *reason? *pages is its length
   when that was last written; it keeps nothing. Three loads. */
bool slot_is_given_up(uintptr_t start, uint32_t *pages, enum reason *reason);

/* Remembers it, and in *replaced says what was there, so that the caller can account for kept pages. In a
   crowded table it takes the place of a range that keeps nothing. False, and nothing is written, where all
   keep some. */
bool slot_write(uintptr_t start, const struct slot_history *history, struct slot_history *replaced);

/* Of the pages that a reset from this start kept: how many may lie behind a call of so many pages. */
static inline uint32_t slot_kept_behind(const struct slot_history *history, uint64_t pages)
{
    uint64_t shorter = history->pages > pages ? history->pages - pages : 0;
    return history->kept < shorter ? history->kept : (uint32_t)shorter;
}

/* Another range takes over what this one kept behind its first pages, or all but so many. Returns how many it
   keeps less, and in *rule whose they were: the caller accounts for them. All else is left to the range's own
   resets, which may be going on. */
uint32_t slot_yield(uintptr_t start, uint32_t pages, uint32_t kept, uint8_t *rule);

/* Would slot_write find a place for this start? */
bool slot_has_place(uintptr_t start);

/* Goes round the table: the next range from *hand on that keeps pages. False when none of the next few does.
 */
bool slot_next_kept(uint32_t *hand, uintptr_t *start, struct slot_history *history);

/* A hand that first meets the SLOT_WAYS entries in one of which this start is or would be. */
uint32_t slot_hand_for(uintptr_t start);
enum { SLOT_WAYS = 4 };

void slots_clear(void);

#endif
