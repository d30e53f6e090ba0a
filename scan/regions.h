/* Vectors for PAGEMAP_SCAN that are too large for a small stack: 256 regions cost the kernel no more than one
   (6.18), and a scan that fills its vector must be made again, for 0.2 to 0.9 us each time. */
#ifndef SCAN_REGIONS_H
#define SCAN_REGIONS_H

#include "scan/pagemap.h"

enum { REGIONS_MANY = 256, REGIONS_FEW = 4 };

/* Lives in the frame of the reset that uses the vector. */
struct regions_claim {
    uint64_t cookie;
    int vector;
};

/* Lends a vector of REGIONS_MANY, or returns NULL when all are lent. Lock-free and signal-safe. A vector
   whose borrower was left by siglongjmp or ended with its thread is lent again once the borrower's frame has
   been overwritten: a frame that is in use keeps its cookie. */
struct page_region *regions_claim(struct regions_claim *claim);

void regions_release(struct regions_claim *claim);

#endif
