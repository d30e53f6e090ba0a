#include "shim/hazards.h"

#include <stdarg.h>

#include "shim/next.h"
#include "shim/state.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

/* USERFAULTFD_IOC_NEW of /dev/userfaultfd: _IO(0xAA, 0x00) */
#define USERFAULTFD_NEW _IO(0xAA, 0x00)

static bool serves(void)
{
    return !process.inert && standing_reason() == REASON_COUNT;
}

void hazard_userfaultfd(void)
{
    if (serves())
        state_stand_down(REASON_userfaultfd, "the process uses userfaultfd");
}

bool hazard_ioctl_makes_userfaultfd(unsigned long request)
{
    return request == USERFAULTFD_NEW;
}

void hazard_pkeys(void)
{
    __atomic_store_n(&process.careful, true, __ATOMIC_RELEASE);
}

bool hazard_prctl_sandboxes(int option)
{
    return option == PR_SET_SECCOMP || option == PR_SET_SYSCALL_USER_DISPATCH;
}

bool hazard_sandbox_begins(void)
{
    if (!serves() || !state_is_ours())
        return false;
    state_stand_down(REASON_seccomp, "the process installs a filter of system calls");
    return true;
}

void hazard_sandbox_failed(void)
{
    uint32_t ours = REASON_seccomp;
    __atomic_compare_exchange_n(&process.standing, &ours, REASON_COUNT, false, __ATOMIC_ACQ_REL,
                                __ATOMIC_RELAXED);
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
    bool began = hazard_prctl_sandboxes(option) && hazard_sandbox_begins();
    int result = next_prctl
                     ? next_prctl(option, a, b, c, d)
                     : (int)with_errno(prim_call6(SYS_prctl, option, (long)a, (long)b, (long)c, (long)d, 0));
    if (began && result < 0)
        hazard_sandbox_failed();
    return result;
}
