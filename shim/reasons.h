/* Why a call went to the kernel unserved: the one table from which counters, statistics and manual come.
   REASON(name, text): the name is the key in `declined` of the statistics. */
#ifndef SHIM_REASONS_H
#define SHIM_REASONS_H

#define REASONS(REASON)                                                                                      \
    REASON(off, "keepwarm is switched off in this process")                                                  \
    REASON(switched_off, "keepwarm was switched off through the live file")                                  \
    REASON(off_arm, "mode=ab or mode=coin: this is the arm without keepwarm")                                \
    REASON(not_ready, "the call came before keepwarm had read its settings")                                 \
    REASON(arguments, "an address or a length that the kernel must judge")                                   \
    REASON(vector, "a vector or a pidfd that the kernel must judge")                                         \
    REASON(observing, "mode=observe only looks")                                                             \
    REASON(no_rule, "no rule matches")                                                                       \
    REASON(policy, "the rule says forward, or keeping the pages does not pay")                               \
    REASON(young, "the range was never reset before: memory that is purged once gains nothing")              \
    REASON(budget, "the process keeps as much as its budget allows, or keeps some in too many ranges")       \
    REASON(pressure, "memory is short")                                                                      \
    REASON(unmapped, "a hole in the range")                                                                  \
    REASON(mappings, "more mappings in one call than keepwarm follows")                                      \
    REASON(locked, "memory locked by mlock")                                                                 \
    REASON(protection, "memory that is not readable and writable")                                           \
    REASON(shared, "a shared mapping")                                                                       \
    REASON(hugetlb, "a hugetlb mapping")                                                                     \
    REASON(special, "neither anonymous memory nor a regular file or memfd")                                  \
    REASON(unsealed, "a file whose content may still change")                                                \
    REASON(no_image, "no descriptor found for the mapped file")                                              \
    REASON(images, "more mapped files in use than keepwarm follows")                                         \
    REASON(pkeys, "protection keys are in use, and some memory is closed to this thread by one")             \
    REASON(own_stack, "the calling thread's stack lies in the range")                                        \
    REASON(userfaultfd, "the process has used userfaultfd")                                                  \
    REASON(seccomp, "a seccomp filter was installed or denies what a reset needs")                           \
    REASON(no_pagemap, "no usable /proc/self/pagemap or PAGEMAP_SCAN")                                       \
    REASON(no_maps, "no usable /proc/self/maps or PROCMAP_QUERY")                                            \
    REASON(valgrind, "valgrind runs the program, and knows nothing of scans")                                \
    REASON(busy, "another thread was changing what this call needed")                                        \
    REASON(failed, "a scan or a restore failed half-way: the real call then did all of it")

#endif
