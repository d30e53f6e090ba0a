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

/* Runs a part in a child that leaves no core. Returns what the part returned, 0 to 255, or PROBE_KILLED when
   the child was killed or could not be had. The host itself only makes clone and wait4. */
typedef int probe_part(void);
enum { PROBE_KILLED = -1 };
int probe_in_child(probe_part *part);

/* Make every kind of system call that keepwarm makes for its files, or for its resets, on arguments that do
   nothing. Return 0: that they come back at all is the answer. */
probe_part probe_files, probe_resets;

static inline bool probe_child_survives(probe_part *part)
{
    return probe_in_child(part) == 0;
}

/* One question each, put with a page of ours: does PAGEMAP_SCAN find it dirty, does PROCMAP_QUERY know its
   mapping, does msync tell that it is not locked? Return 0 or a negative errno, ENOTTY where the kernel has
   no such call. */
int probe_scan(const struct scan_files *files);
int probe_query(const struct scan_files *files);
int probe_locks(void);

/* Opens the files and tries a scan and a mapping query. On failure the files are closed again. filtered: what
   fails is put down to the filter. */
struct probe_result probe_kernel(struct scan_files *files, bool filtered);

#endif
