/* What resets leave resident in this process: the histories that say so, their sum, the budget that bounds
   it, and the memory pressure that ends it. */
#ifndef SHIM_KEEPING_H
#define SHIM_KEEPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/options.h"
#include "shim/policy.h"

/* Finds out what the budget amounts to here. Before main. */
void keeping_start(const struct options *options);

/* Opens what tells of a shortage of memory, once calls are served here: where pressure=on. Signal-safe. */
void keeping_watch_memory(void);

/* Remembers a range's history and accounts for what it keeps. False, and nothing is remembered, where the
   table is full of ranges that keep pages: the caller must then keep none. Signal-safe. */
bool keeping_write(uintptr_t start, const struct slot_history *history);

/* Accounts for a real call on this range, made without a look at its history: what it kept is gone, but for
   what lies behind a shorter call's end. length: bytes, as the program gave it. Signal-safe. */
void keeping_dropped(uintptr_t start, size_t length);

/* Has the table a place for this range? */
bool keeping_has_place(uintptr_t start);

/* Allocators split and merge their extents: what other ranges kept of this one counts as its own, now that it
   was reset from end to end. Of those that begin before it only the ones that begin less than its length
   before are known. Nobody asks before half of the budget is spent, nor, but on a turn (as in policy_open),
   where ranges do not overlap; long ranges are gone through on a turn, and very long ones not at all.
   Signal-safe. */
void keeping_take_over(uintptr_t start, uint64_t pages, bool turn);

/* How many pages this range may keep now. Where the budget is spent that is decided by use: a range that is
   reset more often than another gets what the other gives back at its own next reset. */
uint64_t keeping_room(struct slot_history *history);

/* May ranges keep what they keep with no more questions? So it is as long as less than half of the budget is
   spent, and memory is not short. */
bool keeping_is_at_ease(void);

/* Is so little kept in all that a range nobody knows may keep some too? */
bool keeping_little(void);

/* Is more kept than the cgroup could do without when it runs into its limit? Then a reset marks what it keeps
   MADV_FREE before it returns, for the kernel to take when it needs it. */
bool keeping_should_be_reclaimable(void);

/* Is memory short? Then nothing more is kept, and each reset gives back what its range kept. turn: as in
   policy_open; only then, and not more often than every 10 ms, is the kernel asked. */
bool keeping_under_pressure(bool turn);

/* On a turn, where room was short: measures anew what a few ranges keep, as an unmapping that nobody saw must
   not count for ever. */
void keeping_measure_again(void);

#endif
