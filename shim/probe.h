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

/* Does a seccomp filter watch this process? Reads /proc/self/status, as asking by prctl may be what kills. */
bool probe_is_filtered(void);

/* Makes every kind of system call that keepwarm makes for its files or for its resets, on arguments that do
   nothing, in a child; true when that child lives through it. The host itself only makes clone and wait4. */
typedef void probe_part(void);
bool probe_child_survives(probe_part *part);
probe_part probe_files, probe_resets;

/* Opens the files and tries a scan and a mapping query. On failure the files are closed again. filtered: what
   fails is put down to the filter. */
struct probe_result probe_kernel(struct scan_files *files, bool filtered);

#endif
