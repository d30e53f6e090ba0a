/* Asks this kernel and this sandbox, before main, whether what a reset needs works. */
#ifndef SHIM_PROBE_H
#define SHIM_PROBE_H

#include "scan/files.h"
#include "shim/counters.h"

struct probe_result {
    enum reason reason; /* REASON_COUNT: serve */
    const char *why;    /* words for a person; static */
    bool procmap;       /* PROCMAP_QUERY works */
};

/* Opens the files and tries each system call of a reset on harmless arguments; under a seccomp filter first
   in a child, as the filter may kill. On any failure the files are closed again. */
struct probe_result probe_kernel(struct scan_files *files);

#endif
