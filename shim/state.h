/* The one struct of this process's state. Written at start-up, by hazards, and in a fork child. */
#ifndef SHIM_STATE_H
#define SHIM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/files.h"
#include "scan/call_path.h"
#include "scan/costs.h"
#include "scan/memory.h"
#include "shim/counters.h"
#include "shim/options.h"
#include "shim/rules.h"

/* A sanitizer's runtime calls some interposed functions before its shadow memory is there. */
#define BEFORE_SANITIZERS __attribute__((no_sanitize("address", "thread")))
#define EXPORT __attribute__((visibility("default"))) BEFORE_SANITIZERS

struct state {
    /* An enum reason: why every call is forwarded. REASON_COUNT: calls are served. */
    uint32_t standing;
    bool inert;     /* nothing is served and nothing counted */
    bool procmap;   /* PROCMAP_QUERY works here (Linux 6.11) */
    bool sandboxed; /* a filter of system calls was installed: make none but the real calls */
    bool pkeys;     /* the process has protection keys */
    bool finished;  /* destructors have run */
    bool guards;    /* an advice that can make a page of a writable mapping unwritable was given */
    uint32_t
        vectors;    /* bit 0: the kernel has done a process_madvise on a pidfd for us; bit 1: on PIDFD_SELF */
    uint32_t forks; /* how many processes, from the first on, made this state their own by a fork */
    char exe[OPTION_PATH]; /* base name of the executable */
    int pid;               /* whose state this is: a vfork child sees it too, and must not change it */
    uint32_t *fork_mark;   /* a page that a fork child finds zeroed, once serving is set up */
    int live;              /* descriptor of the live file, or -1 */
    struct scan_files files;
    struct costs costs;
    struct memory_files memory;
    struct options options;
    struct rules rules;
};

extern struct state process;

enum { FORK_MARK_BUSY = 1, FORK_MARK_SET = 2 };

static inline enum reason standing_reason(void)
{
    return (enum reason)__atomic_load_n(&process.standing, __ATOMIC_ACQUIRE);
}

/* Are calls served, if not in this very moment: the switch or an arm may be off? Any other standing is for
   good. */
static inline bool standing_serves(uint32_t standing)
{
    return standing == REASON_COUNT || standing == REASON_off_arm || standing == REASON_switched_off;
}

/* To be called before each advice that is not a reset. MADV_HWPOISON, GUARD_INSTALL and what comes after them
   can make a page of a mapping one that a store faults on. */
static inline void state_note_advice(int advice)
{
    enum { ADVICE_HWPOISON = 100 };
    if (unlikely(advice >= ADVICE_HWPOISON))
        __atomic_store_n(&process.guards, true, __ATOMIC_RELAXED);
}

/* May a page of a writable mapping be one that a store faults on? */
static inline bool state_has_guards(void)
{
    return __atomic_load_n(&process.guards, __ATOMIC_RELAXED);
}

/* Is the caller, once settings have been read, in the process whose state this is, and not in a vfork child
 * of it? One system call. */
bool state_is_ours(void);

/* The rare part of state_enter (fork.c). */
bool state_enter_child(void);

/* Is the state this process's own, with nothing left to do? */
static inline bool state_is_entered(void)
{
    return __atomic_load_n(process.fork_mark, __ATOMIC_ACQUIRE) == FORK_MARK_SET;
}

/* Every interposed call that counts or serves starts here: in a fork child's first call it makes the state
   the child's own. Returns false when that cannot be said yet (another thread is at it): forward. */
static inline bool state_enter(void)
{
    return likely(state_is_entered()) || state_enter_child();
}

/* Changes in a fork child: what was begun before the fork must not be believed after it. NO_EPOCH in a child
   that has yet to make the state its own. */
uint32_t state_fork_epoch(void);
#define NO_EPOCH UINT32_MAX

/* True in a fork child that has not made a call of its own. */
bool state_is_unadopted_child(void);

/* From now on forwards every call for this reason, which is logged at info. */
void state_stand_down(enum reason reason, const char *why);

#endif
