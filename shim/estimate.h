/* What the ways to reset a range take, estimated: from what this machine takes, what was learned of the
   range, and how many of its pages are dirty. Pure. Pages and ns throughout. */
#ifndef SHIM_ESTIMATE_H
#define SHIM_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/costs.h"

enum { TABLE_PAGES = 512 }; /* of a page table: 2 MiB */

/* Memory that is written whole or scanned: pages, those of them that are an image's, and that are dirty.
   page_ns: what a page took when all was written; 0: not known. */
struct extent {
    uint64_t pages, images, dirty, page_ns;
};

/* Is it written whole sooner than it is scanned in one go? stores_safe: by plain stores, else by the kernel.
 */
bool estimate_whole_pays(const struct costs *costs, const struct extent *extent, bool stores_safe);

/* Is it so short that to write all of it, however seldom a page is used again, takes less than a fault? */
bool estimate_is_short(const struct costs *costs, uint64_t pages, uint64_t images);

/* Is a scan for what is not dirty quicker? First it is to be asked whether all is mapped, unless that was
   promised. */
bool estimate_complement_pays(const struct costs *costs, uint64_t pages, uint64_t dirty, bool promised);

/* How many restores a fault takes as long as: somewhat fewer than time alone would say, for memory counts
   too. */
uint64_t estimate_fault_worth(const struct costs *costs);

/* Of a scan that finds hardly anything: what it takes to pass over so many pages. table_ns: over a page
   table, as it was timed; 0: it was not. It is less where whole upper tables are absent. */
uint64_t estimate_passing(uint64_t pages, uint8_t table_ns);

/* What a page table took in a scan of so many pages, of which it found some. */
uint8_t estimate_table(uint64_t pages, uint64_t found, uint64_t ns);

/* Parts of a long range: what is scanned, and what some real calls are made for. */
struct parts {
    uint64_t scanned, rest;
    unsigned real_calls;
    uint8_t table_ns;
};

/* Is that less than one real call, and the faults of so many pages? In a long range that is hardly touched,
   the scan's way through the page tables is dearer. */
bool estimate_scan_pays(const struct parts *parts, uint64_t used);

#endif
