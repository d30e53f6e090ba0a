/* mode=ab: the pairs of slices in which one process ran with keepwarm on and off, and what they show. Pure.
 */
#ifndef SHIM_PAIRS_H
#define SHIM_PAIRS_H

#include <stdint.h>

#include "shim/text.h"

enum arm { ARM_OFF, ARM_ON, ARMS };

enum {
    PAIRS_KEPT = 120, /* the last ones: a minute's at 250 ms a slice */
    PAIRS_LEAST = 6,  /* fewer have no interval with a coverage of 95% */
    RATIO_ONE = 1000000,
};

/* What happened in the measured part of a slice, or at a moment, since the start of the process. */
struct slice {
    uint64_t calls, ns, cpu_ns;
};

struct pairs {
    struct slice total[ARMS]; /* of all pairs */
    uint64_t count;           /* of all pairs */
    /* Of the last PAIRS_KEPT pairs, in no order, in millionths: on divided by off. */
    uint32_t calls_ratio[PAIRS_KEPT]; /* of the calls a second */
    uint32_t cpu_ratio[PAIRS_KEPT];   /* of the CPU time a call */
};

struct verdict {
    unsigned pairs;             /* that it rests on; under PAIRS_LEAST the rest is 0 */
    uint32_t median, low, high; /* millionths; the median is that of the logarithms */
    unsigned coverage;          /* of [low, high], per thousand */
};

/* Adds a pair, unless one of its slices is empty. */
void pairs_add(struct pairs *pairs, const struct slice slice[ARMS]);

/* The median of count ratios, at most PAIRS_KEPT, with the narrowest interval between order statistics that
   covers the true median in 95% of cases or more, whatever the distribution. */
struct verdict pairs_verdict(const uint32_t *ratios, unsigned count);

/* For the `ab` of statistics and live file: a JSON object in one line, without the newline. */
void pairs_json(const struct pairs *pairs, struct text *text);

/* Lines for people. */
void pairs_text(const struct pairs *pairs, struct text *text);

#endif
