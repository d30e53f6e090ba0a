/* Vectors for PAGEMAP_SCAN that are too large for a small stack: 256 regions cost the kernel no more than one
   (6.18), and a scan that fills its vector must be made again, for 0.2 to 0.9 us each time. */
#ifndef SCAN_REGIONS_H
#define SCAN_REGIONS_H

#include "scan/loan.h"
#include "scan/pagemap.h"

enum { REGIONS_MANY = 256, REGIONS_FEW = 4 };

/* Lends a vector of REGIONS_MANY, or returns NULL when all are lent. */
struct page_region *regions_claim(struct loan *claim);

void regions_release(struct loan *claim);

/* In a fork child: see loan_forget_others. */
void regions_forget_others(void);

#endif
