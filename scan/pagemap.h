/* PAGEMAP_SCAN (Linux 6.7, fs/proc/task_mmu.c): which pages of a range are dirty, in bounded slices. */
#ifndef SCAN_PAGEMAP_H
#define SCAN_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>

/* The kernel's struct page_region and its PAGE_IS_ bits: the build machine's headers may be older. */
struct page_region {
    uint64_t start, end; /* addresses, multiples of the page size */
    uint64_t categories; /* those of the return mask */
};

enum {
    CATEGORY_FILE = 1 << 2,
    CATEGORY_PRESENT = 1 << 3,
    CATEGORY_SWAPPED = 1 << 4, /* swap, guard, poison, migration and uffd markers */
    CATEGORY_ZERO = 1 << 5,    /* PFNZERO */
    CATEGORY_HUGE = 1 << 6,
};

/* The most that a scan looks at first: 64 MiB whose every page table holds a page or two take 25 us. */
#define PAGEMAP_SLICE ((uintptr_t)64 << 20)

struct pagemap_scan {
    int fd;                  /* this process's /proc/self/pagemap */
    unsigned capacity;       /* of regions */
    uintptr_t position, end; /* what is still to scan */
    uintptr_t file_end;      /* behind it no page of a file is mapped; 0 when none is at all */
    uint64_t slice;          /* pages to look at next, found out as the scan goes on; 0 at first */
    uint32_t clean;          /* CATEGORY_ bits of which any one makes a page clean */
    uint32_t asked;          /* CATEGORY_ bits to return; fewer make fewer, longer regions */
    struct page_region *regions;
    bool complement; /* report what is not dirty, or not to be written to, instead */
};

/* Finds the next dirty regions: present or swapped, and in none of the clean categories. Scans one slice at
   the most, so that other threads' changes of mappings need not wait long; stops when regions are full or
   max_pages (at least 1) pages were found, and moves position to where it stopped. Returns the number of
   regions (0 does not mean the end: position tells), or a negative errno: ENOTTY and EBADF when fd is not a
   pagemap, EPERM under seccomp. Signal-safe, no allocation.

   To pass over a page costs 2 ns, to report it 10 (6.18). So where most pages are dirty, their complement is
   found sooner: regions that are absent, or of a clean or an asked category. What lies between them is dirty
   and can be written, as far as there are mappings: the caller must know that there are. */
int pagemap_next(struct pagemap_scan *scan, uint64_t max_pages);

/* Where a count found pages: where the last of them ends, and the longest gap before one. */
struct pagemap_found {
    uintptr_t end, gap_start, gap_end;
};

/* How many page faults made the pages of [start, end) that are present or swapped, up to most, and in *found
   where they are: one each, but one for 16 adjacent pages of a file, which the kernel maps around a fault.
   Adds the calls it made to *scans. Scans in slices. Returns the number, or a negative errno as above. */
long pagemap_count(int fd, uintptr_t start, uintptr_t end, uint64_t most, struct pagemap_found *found,
                   uint32_t *scans);

/* Scans one page of anonymous memory as a reset does: 1 where it is dirty, else 0, or a negative errno as
 * above. */
int pagemap_look(int fd, uintptr_t page);

/* Is fd a pagemap? An empty scan tells. */
bool pagemap_works(int fd);

#endif
