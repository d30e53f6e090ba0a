/* keepwarm's strongest honest rival: the same reset written straight into the program. It knows its slots, so
   it intercepts nothing, asks nothing about the mappings and checks nothing. */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include "test/bench/slots.h"

/* How many scans a slot gets. One must ask for FILE, which reads struct page for each present page also of
   the anonymous part; two pay the fixed cost twice. */
enum raw_scans { RAW_ONE_SCAN, RAW_TWO_SCANS };

struct raw {
    int pagemap;
    const unsigned char *view; /* the image, to restore from */
    enum raw_scans scans;
};

/* Opens what resets of slots with this image need; exits on failure. */
void raw_open(struct raw *raw, const struct image *image, enum raw_scans scans);

/* The faster of the two for slots with so many dirty pages. */
enum raw_scans raw_better_scans(size_t dirty_pages);

/* Puts a slot back to its snapshot; 0, or -1 with errno. */
int raw_reset(const struct raw *raw, unsigned char *slot, size_t image_bytes, size_t slot_bytes);

#endif
