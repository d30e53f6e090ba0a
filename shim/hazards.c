#include "shim/hazards.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <time.h>

#include "scan/threads.h"
#include "shim/filter.h"
#include "shim/live.h"
#include "shim/next.h"
#include "shim/state.h"
#include "shim/statistics.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

/* USERFAULTFD_IOC_NEW of /dev/userfaultfd: _IO(0xAA, 0x00) */
#define USERFAULTFD_NEW _IO(0xAA, 0x00)

/* Before start-up too: what is noticed then keeps serving from ever beginning. */
static bool may_serve(void)
{
    enum reason standing = standing_reason();
    return !process.inert && (standing_serves(standing) || standing == REASON_not_ready);
}

void hazard_userfaultfd(void)
{
    if (may_serve())
        state_stand_down(REASON_userfaultfd, "the process uses userfaultfd");
}

bool hazard_ioctl_makes_userfaultfd(unsigned long request)
{
    return request == USERFAULTFD_NEW;
}

void hazard_pkeys(void)
{
    __atomic_store_n(&process.pkeys, true, __ATOMIC_RELEASE);
}

/* Resets that other threads are in the middle of make system calls yet. They take microseconds, or as long as
   they wait for a CPU. */
static void let_resets_end(void)
{
    struct timespec rest = {0, 30 * 1000 * 1000};
    while (prim_call3(SYS_nanosleep, (long)&rest, (long)&rest, 0) == -EINTR)
        ;
}

static void sandbox_begins(enum filter_verdict verdict, bool of_all_threads)
{
    /* A fork child that has not made a call yet has this state to itself; a vfork child has not. */
    if (verdict == FILTER_UNREADABLE || process.inert || process.sandboxed ||
        (!state_is_unadopted_child() && !state_is_ours()))
        return;
    bool served = may_serve();
    if (served)
        state_stand_down(REASON_seccomp, "the process installs a filter of system calls");
    if (verdict != FILTER_SPARES_FILES) {
        live_note_uncounted(process.live);
        statistics_write(true);
        __atomic_store_n(&process.sandboxed, true, __ATOMIC_RELEASE);
    }
    if (served && of_all_threads && has_threads())
        let_resets_end();
}

void hazard_prctl(int option, long mode, const void *program)
{
    if (option == PR_SET_SYSCALL_USER_DISPATCH)
        sandbox_begins(FILTER_HOSTILE, false);
    else if (option == PR_SET_SECCOMP)
        sandbox_begins(mode == SECCOMP_MODE_FILTER ? filter_judge(program) : FILTER_HOSTILE, false);
}

void hazard_seccomp(unsigned operation, unsigned flags, const void *program)
{
    if (operation == SECCOMP_SET_MODE_STRICT)
        sandbox_begins(FILTER_HOSTILE, false);
    else if (operation == SECCOMP_SET_MODE_FILTER)
        sandbox_begins(filter_judge(program), flags & SECCOMP_FILTER_FLAG_TSYNC);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    int result =
        next_ioctl ? next_ioctl(fd, request, argument) : (int)with_errno(prim_ioctl(fd, request, argument));
    if (result >= 0 && hazard_ioctl_makes_userfaultfd(request))
        hazard_userfaultfd();
    return result;
}

EXPORT int prctl(int option, ...)
{
    va_list rest;
    va_start(rest, option);
    unsigned long a = va_arg(rest, unsigned long), b = va_arg(rest, unsigned long);
    unsigned long c = va_arg(rest, unsigned long), d = va_arg(rest, unsigned long);
    va_end(rest);
    hazard_prctl(option, (long)a, (const void *)b);
    return CALL_NEXT(prctl, prim_call6(SYS_prctl, option, (long)a, (long)b, (long)c, (long)d, 0), option, a,
                     b, c, d);
}

/* struct rlimit and struct rlimit64 are the same on x86-64. */
BEFORE_SANITIZERS void hazard_limit(int resource, const struct rlimit *limit)
{
    if (resource == RLIMIT_FSIZE && limit)
        live_limit(limit->rlim_cur);
}

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    hazard_limit((int)resource, limit);
    return CALL_NEXT(setrlimit, prim_call6(SYS_prlimit64, 0, (int)resource, (long)limit, 0, 0, 0), resource,
                     limit);
}

EXPORT int setrlimit64(__rlimit_resource_t, const struct rlimit64 *) __attribute__((alias("setrlimit")));

EXPORT int prlimit(pid_t pid, __rlimit_resource_t resource, const struct rlimit *limit, struct rlimit *old)
{
    hazard_limit((int)resource, limit);
    return CALL_NEXT(prlimit, prim_call6(SYS_prlimit64, pid, (int)resource, (long)limit, (long)old, 0, 0),
                     pid, resource, limit, old);
}

EXPORT int prlimit64(pid_t, __rlimit_resource_t, const struct rlimit64 *, struct rlimit64 *)
    __attribute__((alias("prlimit")));
