/* What an instance does to its slot at a point of the grid, and whether the slot was fresh. */
#ifndef BENCH_GRID_USE_H
#define BENCH_GRID_USE_H

#include "test/bench/slots.h"

/* Which pages one cycle after the other uses. */
enum working_set {
    SET_STABLE,    /* the same */
    SET_WANDERING, /* each cycle others, until all had their turn */
    SET_PHASES,    /* all for a while, then long only a sixteenth of them */
};

/* Reads some pages, then writes others, as cycle TURN of the pool does. Returns a sum of what was read. */
uint64_t grid_use(const struct pool *pool, enum working_set set, uint64_t turn);

/* The slot that cycle TURN uses. */
unsigned char *grid_slot(const struct pool *pool, uint64_t turn);

/* Bytes of the pool that the kernel counts as resident: pages of our own and of the image, but not zero
   pages. Exits on failure. */
size_t grid_resident(const struct pool *pool, int pagemap);

/* Whether every page of a slot that is there is as in a fresh one; a page that is not there is fresh. It
   faults nothing in, so that it can look at any size and leaves no trace. Exits on failure. */
bool grid_slot_fresh(const struct pool *pool, const unsigned char *slot, int pagemap);

#endif
