/* The ways to reset a slot that the grid compares. To add one: write its function in grid_strategies.c and
   give it a row in the table there. */
#ifndef BENCH_GRID_STRATEGIES_H
#define BENCH_GRID_STRATEGIES_H

#include "test/bench/raw.h"

/* What a strategy may use, and knows about its slots. */
struct kit {
    struct raw raw; /* a descriptor of pagemap, and a view of the image */
    size_t image_bytes;
    size_t slot_bytes;
    size_t call_bytes; /* the length of the call; less than slot_bytes only within the slot's last page */
    size_t keep_bytes; /* most dirty bytes that the in-tree algorithm, or keepwarm, restores in a reset */
};

struct strategy {
    const char *name; /* one word, unique */
    /* For keepwarm: what its rule says besides any, range and keep. NULL: a rival, that keepwarm never sees.
     */
    const char *rule;
    size_t most_bytes; /* slots larger than this are not its business; 0: all are */
    /* Makes every byte of the slot what it was when fresh. 0, or -1 with errno. */
    int (*reset)(const struct kit *kit, unsigned char *slot);
};

extern const struct strategy strategies[];
extern const size_t strategy_count;

#endif
