/* The list of what keepwarm does in a call that it serves, and what each thing costs. */
#ifndef BENCH_OVERHEAD_ITEMS_H
#define BENCH_OVERHEAD_ITEMS_H

#include "test/bench/bench.h"

enum { ITEMS = 22 };

/* Kinds of served calls, ored: what the rule's vma= is, how the range is reset, from the plan alone or anew,
   with a large vector, with an image; and KERNEL, to count the kernel's own answers too. */
enum {
    CACHED = 1,
    ASKED = 2,
    WHOLE = 4,
    SCANNED = 8,
    STEADY = 16,
    ANEW = 32,
    MANY = 64,
    IMAGED = 128,
    KERNEL = 256,
};

/* Times all items, in ns of each call: of one that only every 32nd call has, its 32nd part. Exits where the
   kernel cannot tell of mappings (PROCMAP_QUERY, Linux 6.11). */
void items_measure(struct spread costs[ITEMS]);

/* Does a call of these kinds have the item? */
bool items_has(unsigned item, int kinds);

const char *items_name(unsigned item);

/* Maps pages that merge with no other mapping, and get no huge page; exits on failure. */
unsigned char *map_apart(size_t pages);

#endif
