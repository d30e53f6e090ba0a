/* How much memory this process may use, and whether it runs short: the machine's and its cgroup's word. */
#ifndef SCAN_MEMORY_H
#define SCAN_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct memory_group {
    char hits[400]; /* file of the cgroup with the least limit, of this process's and those above it; "" none */
    bool version_1;
    uint64_t limit; /* bytes: the least of RAM and all limits */
    bool limited;   /* by a cgroup, to less than RAM */
};

/* Reads /proc/self/cgroup and the limits (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst). A dozen
   system calls; for start-up. Stack: 1.5 KiB. */
void memory_find_group(struct memory_group *group);

/* How often the group ran into its limit: memory.events' max, or memory.failcnt. 0 when there is no telling. */
uint64_t memory_limit_hits(const struct memory_group *group);

/* Do tasks wait for memory for a tenth of the time? /proc/pressure/memory; no where the kernel has none. */
bool memory_is_contended(void);

#endif
