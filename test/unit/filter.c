/* The seccomp program interpreter, on programs as sandboxes write them. */
#include <criterion/criterion.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "shim/filter.h"

#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
#define PROGRAM(steps) (&(struct sock_fprog){sizeof(steps) / sizeof *(steps), (steps)})

Test(filter, one_call_killed)
{
    struct sock_filter steps[] = {NUMBER, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 1),
                                  RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)};
    cr_assert_eq(filter_run(steps, 4, SYS_ioctl), SECCOMP_RET_KILL_PROCESS);
    cr_assert_eq(filter_run(steps, 4, SYS_openat), SECCOMP_RET_ALLOW);
    cr_assert_eq(filter_judge(PROGRAM(steps)), FILTER_SPARES_FILES);
}

Test(filter, rename_killed)
{
    struct sock_filter steps[] = {NUMBER, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rename, 0, 1),
                                  RETURN(SECCOMP_RET_TRAP), RETURN(SECCOMP_RET_ALLOW)};
    cr_assert_eq(filter_judge(PROGRAM(steps)), FILTER_HOSTILE);
}

Test(filter, all_denied_by_errno)
{
    struct sock_filter steps[] = {RETURN(SECCOMP_RET_ERRNO | 1)};
    cr_assert_eq(filter_judge(PROGRAM(steps)), FILTER_SPARES_FILES);
}

Test(filter, list_of_allowed_calls)
{
    /* As libseccomp sorts them: above, then equal. write and close are missing. */
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
        NUMBER,
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_close, 0, 1),
        RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_KILL_THREAD),
    };
    cr_assert_eq(filter_run(steps, 6, SYS_openat), SECCOMP_RET_ALLOW);
    cr_assert_eq(filter_run(steps, 6, SYS_write), SECCOMP_RET_KILL_THREAD);
    cr_assert_eq(filter_judge(PROGRAM(steps)), FILTER_HOSTILE);
}

Test(filter, arithmetic_and_memory)
{
    struct sock_filter steps[] = {
        NUMBER,
        BPF_STMT(BPF_ST, 3),
        BPF_STMT(BPF_LDX | BPF_MEM, 3),
        BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 1),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_KILL_PROCESS),
    };
    cr_assert_eq(filter_run(steps, 9, 257), SECCOMP_RET_ALLOW);
    steps[4].k = 2;
    cr_assert_eq(filter_run(steps, 9, 257), SECCOMP_RET_KILL_PROCESS);
}

Test(filter, bad_programs)
{
    struct sock_filter open_end[] = {NUMBER}, far[] = {BPF_STMT(BPF_JMP | BPF_JA, 100)};
    cr_assert_eq(filter_run(open_end, 1, 0), SECCOMP_RET_KILL_PROCESS);
    cr_assert_eq(filter_run(far, 1, 0), SECCOMP_RET_KILL_PROCESS);
    cr_assert_eq(filter_judge(NULL), FILTER_UNREADABLE);
    cr_assert_eq(filter_judge(&(struct sock_fprog){4, (void *)8}), FILTER_UNREADABLE);
}
