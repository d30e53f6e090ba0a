/* What the twin test must have shown before it may pass: the rows of the kernel's table and of the ways to
   call. ROW(name, needs, text): `needs` is a facility of the machine (machine.h); a machine without it skips
   the row aloud. */
#ifndef TWIN_ROWS_H
#define TWIN_ROWS_H

#define ROWS(ROW)                                                                                            \
    ROW(anon, NOTHING, "private anonymous memory: dropped, reads 0")                                         \
    ROW(anon_zero, PAGEMAP_SCAN, "anonymous zero page: clean")                                               \
    ROW(zero_device, NOTHING, "private mapping of /dev/zero")                                                \
    ROW(memfd_sealed, NOTHING, "private memfd, sealed against writing and shrinking")                        \
    ROW(memfd_growing, NOTHING, "the same, still growing behind the mapping")                                \
    ROW(memfd_future, NOTHING, "private memfd, only future writing sealed, written through an old view")     \
    ROW(memfd_open, NOTHING, "private memfd, not sealed")                                                    \
    ROW(file, NOTHING, "private mapping of a file on disk")                                                  \
    ROW(file_stable, NOTHING, "private mapping of a file that nobody writes")                                \
    ROW(file_rewritten, NOTHING, "file rewritten behind a mapping after a reset")                            \
    ROW(file_truncated, NOTHING, "file cut short behind a mapping")                                          \
    ROW(past_end, NOTHING, "pages past the end of the file")                                                 \
    ROW(image_anon, NOTHING, "image, then anonymous memory, in one call")                                    \
    ROW(shared_anon, NOTHING, "shared anonymous memory: data kept")                                          \
    ROW(shared_memfd, NOTHING, "shared memfd: data kept")                                                    \
    ROW(shared_file, NOTHING, "shared file: data kept")                                                      \
    ROW(hugetlb, HUGETLB, "hugetlb: end rounded down")                                                       \
    ROW(hugetlb_unaligned, HUGETLB, "hugetlb: start not huge-aligned: EINVAL")                               \
    ROW(thp, THP, "transparent huge page, whole")                                                            \
    ROW(thp_split, THP, "transparent huge page, in part: split")                                             \
    ROW(huge_zero, THP, "huge zero page: clean")                                                             \
    ROW(prot_none, NOTHING, "PROT_NONE: works")                                                              \
    ROW(prot_read, NOTHING, "PROT_READ: works")                                                              \
    ROW(locked, NOTHING, "mlocked: EINVAL")                                                                  \
    ROW(locked_onfault, NOTHING, "locked on fault: EINVAL")                                                  \
    ROW(locked_dropped, DONTNEED_LOCKED, "mlocked, MADV_DONTNEED_LOCKED: dropped")                           \
    ROW(hole, NOTHING, "hole: everything mapped is dropped, then ENOMEM")                                    \
    ROW(bad_stops, NOTHING, "bad mapping: what is before it dropped, what is after it kept, EINVAL")         \
    ROW(hole_then_bad, NOTHING, "hole, then bad mapping: EINVAL")                                            \
    ROW(vvar, VVAR, "[vvar], alone and after other memory: EINVAL")                                          \
    ROW(mseal_read, MSEAL, "mseal, not writable: EPERM")                                                     \
    ROW(mseal_write, MSEAL, "mseal, writable: dropped")                                                      \
    ROW(guard, GUARD, "guard pages: they survive")                                                           \
    ROW(guard_removed, GUARD, "pages whose guard was removed")                                               \
    ROW(swapped, SWAP, "swapped out: freed")                                                                 \
    ROW(poison, UFFD, "UFFDIO_POISON: dropped")                                                              \
    ROW(uffd_missing, UFFD, "registered with userfaultfd for missing pages: the fault is seen again")        \
    ROW(uffd_wp, UFFD, "registered with userfaultfd for write protection")                                   \
    ROW(uffd_event, UFFD, "registered with userfaultfd: one event for each reset")                           \
    ROW(migration, MIGRATION, "migration entry: dropped")                                                    \
    ROW(hwpoison, HWPOISON, "hardware-poisoned page: dropped")                                               \
    ROW(dax, DAX, "DAX and device pages")                                                                    \
    ROW(pkey, PKEY, "protection key that denies the store: the kernel ignores it")                           \
    ROW(ksm, KSM, "page merged by KSM")                                                                      \
    ROW(ksm_zero, KSM, "anonymous page merged with the zero page by KSM")                                    \
    ROW(ksm_zero_file, KSM, "CoWed page of a private file, merged with the zero page by KSM")                \
    ROW(lazy_free, NOTHING, "page after MADV_FREE")                                                          \
    ROW(by_read, NOTHING, "page filled by read(2)")                                                          \
    ROW(by_vm_writev, NOTHING, "page filled by process_vm_writev")                                           \
    ROW(by_proc_mem, NOTHING, "page filled through /proc/self/mem, protection ignored")                      \
    ROW(moved, NOTHING, "memory moved by mremap")                                                            \
    ROW(remapped, NOTHING, "new memory mapped over the old")                                                 \
    ROW(many_mappings, NOTHING, "hundreds of mappings in one call")                                          \
    ROW(many_runs, PAGEMAP_SCAN, "more separate dirty runs in one call than a scan's vector holds")          \
    ROW(unknown_advice, NOTHING, "unknown advice: EINVAL, even for length 0")                                \
    ROW(unaligned, NOTHING, "unaligned address: EINVAL, even for length 0")                                  \
    ROW(odd_length, NOTHING, "length rounded up to pages")                                                   \
    ROW(overflow, NOTHING, "length that overflows: EINVAL")                                                  \
    ROW(length_zero, NOTHING, "length 0: returns 0, also where nothing is mapped")                           \
    ROW(kernel_address, NOTHING, "kernel or non-canonical address: ENOMEM")                                  \
    ROW(vector, VECTOR, "process_madvise on itself by pidfd: returns the bytes advised")                     \
    ROW(vector_self, VECTOR, "process_madvise by PIDFD_SELF, thread and process")                            \
    ROW(vector_many, VECTOR, "vector of many entries")                                                       \
    ROW(vector_hole, VECTOR, "vector with a hole: the length so far, the mapped part processed")             \
    ROW(vector_odd, VECTOR, "vector with odd, unaligned and empty entries")                                  \
    ROW(vector_empty, VECTOR, "vector of no entry")                                                          \
    ROW(vector_bad, VECTOR, "vector at a bad address, too long, or flags not 0")                             \
    ROW(vector_in_range, VECTOR, "vector that lies in the memory it drops")                                  \
    ROW(vector_other, VECTOR, "pidfd of another process, or none: refused")                                  \
    ROW(fork_parent, NOTHING, "reset in the parent while a child shares the pages")                          \
    ROW(fork_child, NOTHING, "reset in a fork child")                                                        \
    ROW(fork_wiped, NOTHING, "MADV_WIPEONFORK memory, in the child")                                         \
    ROW(fork_left_out, NOTHING, "MADV_DONTFORK memory, in the child: a hole")                                \
    ROW(vfork, NOTHING, "vfork child that closes all descriptors: the parent goes on")                       \
    ROW(closed, NOTHING, "reset after every descriptor was closed or replaced")                              \
    ROW(threads, NOTHING, "threads that reset neighbouring pages at once")                                   \
    ROW(cancelled, NOTHING, "thread cancelled in a reset")                                                   \
    ROW(signal, NOTHING, "reset in a signal handler")                                                        \
    ROW(interrupted, NOTHING, "reset interrupted by a handler that resets")                                  \
    ROW(jumped, NOTHING, "reset left by siglongjmp")                                                         \
    ROW(small_stack, NOTHING, "reset on a stack of 4 KiB")                                                   \
    ROW(own_stack, NOTHING, "reset of the memory just below the caller's own frame")                         \
    ROW(early, NOTHING, "reset before any constructor has run")

enum row {
#define ROW(name, needs, text) ROW_##name,
    ROWS(ROW)
#undef ROW
        ROW_COUNT
};

/* Reasons for declining that this program cannot bring about at will; each is still counted when it happens.
 */
#define UNREACHABLE_REASONS(REASON)                                                                          \
    REASON(busy, "needs another thread at just the wrong moment")                                            \
    REASON(pressure, "needs a memory cgroup at its limit: test/places/memory-limit has one")                 \
    REASON(images, "needs more than 500 mapped files in use at once")                                        \
    REASON(switched_off, "test/places/arms moves the switch")                                                \
    REASON(valgrind, "test/places/valgrind has one")

/* Reasons that need facilities of the machine, as rows do; and all need PAGEMAP_SCAN. */
#define NEEDY_REASONS(REASON)                                                                                \
    REASON(pkeys, PKEY, NOTHING)                                                                             \
    REASON(userfaultfd, UFFD, NOTHING)                                                                       \
    REASON(hugetlb, HUGETLB, PROCMAP_QUERY)                                                                  \
    REASON(special, PROCMAP_QUERY, NOTHING)                                                                  \
    REASON(unsealed, PROCMAP_QUERY, NOTHING)                                                                 \
    REASON(no_image, PROCMAP_QUERY, NOTHING)

#endif
