/* What this machine can show, and the system-wide settings (swap, huge pages, KSM) that a run borrows and
 * gives back. */
#ifndef TWIN_MACHINE_H
#define TWIN_MACHINE_H

#include <stdbool.h>

/* FACILITY(name, why): why rows that need it are skipped when it is missing. */
#define FACILITIES(FACILITY)                                                                                 \
    FACILITY(NOTHING, "")                                                                                    \
    FACILITY(PAGEMAP_SCAN, "this kernel has no PAGEMAP_SCAN to see it with")                                 \
    FACILITY(PROCMAP_QUERY, "this kernel has no PROCMAP_QUERY: only anonymous memory is served")             \
    FACILITY(HUGETLB, "no huge pages can be reserved")                                                       \
    FACILITY(THP, "transparent huge pages are off")                                                          \
    FACILITY(DONTNEED_LOCKED, "this kernel has no MADV_DONTNEED_LOCKED")                                     \
    FACILITY(VVAR, "this process has no [vvar]")                                                             \
    FACILITY(MSEAL, "this kernel has no mseal")                                                              \
    FACILITY(GUARD, "this kernel has no MADV_GUARD_INSTALL")                                                 \
    FACILITY(SWAP, "no swap file can be turned on")                                                          \
    FACILITY(UFFD, "no userfaultfd with UFFDIO_POISON may be opened")                                        \
    FACILITY(MIGRATION, "a migration entry lives for microseconds; the swapped and poison rows cover it")    \
    FACILITY(HWPOISON, "it would take memory from the machine for good")                                     \
    FACILITY(DAX, "it needs a DAX device")                                                                   \
    FACILITY(PKEY, "this CPU has no protection keys")                                                        \
    FACILITY(KSM, "KSM cannot be turned on")                                                                 \
    FACILITY(VECTOR, "this kernel's process_madvise has no MADV_DONTNEED")                                   \
    FACILITY(ROOT, "this user is not root")

enum facility {
#define FACILITY(name, why) HAS_##name,
    FACILITIES(FACILITY)
#undef FACILITY
        FACILITY_COUNT
};

/* Finds out what works here; with `borrow`, also turns on swap, huge pages and KSM until machine_restore().
   Returns a bit for each facility. */
unsigned long machine_probe(bool borrow, const char *folder);
void machine_restore(void);
const char *facility_lack(enum facility facility);

#endif
