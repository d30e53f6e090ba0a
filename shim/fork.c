/* What a fork child does at its first call: it makes the state, which it shares with its parent no longer,
   its own. */
#include <string.h>

#include "scan/image.h"
#include "scan/prim.h"
#include "scan/regions.h"
#include "shim/arms.h"
#include "shim/keeping.h"
#include "shim/live.h"
#include "shim/observations.h"
#include "shim/own_stack.h"
#include "shim/plan_cache.h"
#include "shim/slots.h"
#include "shim/state.h"
#include "shim/statistics.h"

/* The descriptors are copies that show the parent's memory; the counters are the parent's history. */
static void adopt(void)
{
    process.pid = prim_getpid();
    process.forks++;
    image_forget_lock();
    statistics_forget_lock();
    counters_clear();
    slots_clear();
    regions_forget_others();
    own_stack_forget_others();
    observed_clear();
    plan_cache_forget_all();
    /* The inherited numbers stay open: a child of clone(CLONE_FILES) would close its parent's, and one that
       has put a file of its own there would lose it. */
    int parents = process.live;
    process.live = -1;
    process.files = (struct scan_files){-1, -1, -1};
    process.memory = (struct memory_files){-1, -1, -1};
    arms_start();
    live_open(true, arms_label());
    if (process.live < 0 && strstr(process.options.live, "%p"))
        live_note_uncounted(parents);
    if (standing_serves(standing_reason()) && scan_files_open(&process.files) != 0)
        state_stand_down(REASON_no_pagemap, "a fork child cannot open its own /proc/self/pagemap");
    if (standing_serves(standing_reason()))
        keeping_watch_memory();
}

bool state_enter_child(void)
{
    /* Behind a filter nothing may be asked of the kernel; and nothing is served or written any more. */
    if (process.sandboxed) {
        process.forks++;
        __atomic_store_n(process.fork_mark, FORK_MARK_SET, __ATOMIC_RELEASE);
        return true;
    }
    /* With signals blocked, nothing can leave the mark at busy. */
    uint64_t signals = prim_block_signals();
    uint32_t wiped = 0;
    bool first = __atomic_compare_exchange_n(process.fork_mark, &wiped, FORK_MARK_BUSY, false,
                                             __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    if (first) {
        adopt();
        __atomic_store_n(process.fork_mark, FORK_MARK_SET, __ATOMIC_RELEASE);
    }
    prim_restore_signals(signals);
    return first || !state_is_unadopted_child();
}
