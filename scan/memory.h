/* How much memory this process may use, and whether it runs short: the machine's and its cgroup's word. */
#ifndef SCAN_MEMORY_H
#define SCAN_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct memory_group {
    char folder[384]; /* the cgroup with the least limit, of this process's and those above it */
    bool version_1;
    uint64_t limit; /* bytes: the least of RAM and all limits */
    bool limited;   /* by a cgroup, to less than RAM */
};

/* Descriptors of what tells of a shortage; -1: there is none. They stay open: one opened now and then would
   have the lowest free number for a moment, which another thread may count on, and a handler that jumps away
   in that moment would leave it open. */
struct memory_files {
    int usage, stat; /* of the group */
    int contention;  /* /proc/pressure/memory */
};

/* Reads /proc/self/cgroup and the limits (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst). A
   dozen system calls; for start-up, once. Stack: 1 KiB. */
void memory_find_group(struct memory_group *group);

/* Opens them, close-on-exec, at high numbers. Signal-safe. */
void memory_files_open(const struct memory_group *group, struct memory_files *files);

/* Does the group use more than 15 sixteenths of its limit, besides what the kernel can take back at once:
   file pages, among which it counts those marked MADV_FREE? How often it ran into its limit (memory.events,
   memory.failcnt) tells less: reading files does that all the time, and Linux 6.18 no longer counts it for
   version 1. One system call far from the limit, else two. Signal-safe. */
bool memory_is_short(const struct memory_group *group, const struct memory_files *files);

/* Do tasks wait for memory for a tenth of the time? No where the kernel does not tell. Signal-safe. */
bool memory_is_contended(const struct memory_files *files);

#endif
