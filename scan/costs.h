/* What this machine takes for the two things that a reset chooses between: machines differ by a factor of
   four and more in how many pages are written while one scan is made. */
#ifndef SCAN_COSTS_H
#define SCAN_COSTS_H

#include <stdint.h>

/* ns. */
struct costs {
    uint32_t scan;  /* a PAGEMAP_SCAN that finds a page, apart from our own work */
    uint32_t store; /* to write a page of zeroes in the caches */
};

/* Linux 6.18 on Zen 4. Zen 5: 640 and 26; a host that was measured elsewhere: 180 and 73. */
static const struct costs costs_typical = {.scan = 700, .store = 38};

/* Measures it in memory of its own, in 40 us: the least of many tries, for other programs share the caches.
   Believed up to four times less or more than typical, but no scan that is dearer: it is slow where somebody
   traces it. The store is measured in the first cache, and so the least that one takes (26 ns there, 60 to 90
   in 512 ranges of 30 pages, Zen 5). What cannot be measured is left typical. */
void costs_measure(int pagemap, struct costs *costs);

#endif
