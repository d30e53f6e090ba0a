#include "shim/syscall.h"

#include "shim/descriptors.h"
#include "shim/endings.h"
#include "shim/hazards.h"
#include "shim/madvise.h"
#include "shim/mappings.h"
#include "shim/next.h"

const uint8_t syscall_watched[512] = {
    [SYS_madvise] = 1,
    [SYS_process_madvise] = 1,
    [SYS_mmap] = 1,
    [SYS_mprotect] = 1,
    [SYS_munmap] = 1,
    [SYS_mremap] = 1,
    [SYS_brk] = 1,
    [SYS_mlock] = 1,
    [SYS_mlock2] = 1,
    [SYS_mlockall] = 1,
    [SYS_shmat] = 1,
    [SYS_shmdt] = 1,
    [SYS_remap_file_pages] = 1,
    [SYS_pkey_mprotect] = 1,
    [SYS_pkey_alloc] = 1,
    [SYS_userfaultfd] = 1,
    [SYS_ioctl] = 1,
    [SYS_prctl] = 1,
    [SYS_seccomp] = 1,
    [SYS_close] = 1,
    [SYS_close_range] = 1,
    [SYS_dup2] = 1,
    [SYS_dup3] = 1,
    [SYS_setrlimit] = 1,
    [SYS_prlimit64] = 1,
    [SYS_exit_group] = 1,
    [SYS_execve] = 1,
    [SYS_execveat] = 1,
};

struct arguments {
    long a, b, c, d, e, f;
};

static long plain_call(int number, const struct arguments *with)
{
    return prim_call6(number, with->a, with->b, with->c, with->d, with->e, with->f);
}

/* Calls after which serving would be unsafe. */
static long hazard_call(int number, const struct arguments *with)
{
    if (number == SYS_seccomp)
        hazard_seccomp((unsigned)with->a, (unsigned)with->b, (const void *)with->c);
    if (number == SYS_prctl)
        hazard_prctl((int)with->a, with->b, (const void *)with->c);
    long result = plain_call(number, with);
    if (number == SYS_pkey_alloc && !prim_failed(result))
        hazard_pkeys();
    bool made = number == SYS_userfaultfd ||
                (number == SYS_ioctl && hazard_ioctl_makes_userfaultfd((unsigned long)with->b));
    if (made && !prim_failed(result))
        hazard_userfaultfd();
    return result;
}

/* What the interposed close, close_range, dup2 and dup3 do, by number. */
static long descriptor_call(int number, const struct arguments *with)
{
    switch (number) {
    case SYS_close:
        return descriptor_is_ours((int)with->a) ? -EBADF : plain_call(number, with);
    case SYS_close_range:
        return descriptors_close_range((unsigned)with->a, (unsigned)with->b, (int)with->c);
    default: /* dup2, dup3 */
        if ((number == SYS_dup2 || (with->a != with->b && !(with->c & ~O_CLOEXEC))) &&
            !descriptors_prepare_dup((int)with->a, (int)with->b))
            return -EBADF;
        return plain_call(number, with);
    }
}

static long answer(int number, const struct arguments *with, uintptr_t caller)
{
    switch (number) {
    case SYS_madvise:
        return answer_madvise((uintptr_t)with->a, (size_t)with->b, (int)with->c, caller);
    case SYS_close:
    case SYS_close_range:
    case SYS_dup2:
    case SYS_dup3:
        return descriptor_call(number, with);
    case SYS_userfaultfd:
    case SYS_ioctl:
    case SYS_prctl:
    case SYS_seccomp:
    case SYS_pkey_alloc:
        return hazard_call(number, with);
    case SYS_setrlimit:
        hazard_limit((int)with->a, (const struct rlimit *)with->b);
        return plain_call(number, with);
    case SYS_prlimit64:
        hazard_limit((int)with->b, (const struct rlimit *)with->c);
        return plain_call(number, with);
    case SYS_exit_group:
    case SYS_execve:
    case SYS_execveat:
        ending();
        return plain_call(number, with);
    default:
        return mapping_call(number, (const long[]){with->a, with->b, with->c, with->d, with->e, with->f});
    }
}

long syscall_answer(int number, long a, long b, long c, long d, long e, long f)
{
    struct arguments with = {a, b, c, d, e, f};
    return with_errno(answer(number, &with, (uintptr_t)__builtin_return_address(0)));
}

long syscall_result(long result)
{
    return with_errno(result);
}
