/* Raw system calls: no errno, no cancellation point, no lazy binding, so that they may be used inside malloc,
   in a signal handler, and before constructors have run. Every call returns what the kernel returns: a value,
   or a negative errno. x86-64 only. */
#ifndef SCAN_PRIM_H
#define SCAN_PRIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "scan/call_path.h"

enum { PAGE = 4096 };

/* How many pages so many bytes take, from a page's start on. */
static inline uint64_t prim_pages(size_t length)
{
    return length / PAGE + (length % PAGE != 0);
}

/* Advice numbers newer than the build machine's headers may be. */
enum { ADVICE_DONTNEED = 4, ADVICE_DONTNEED_LOCKED = 24 };

static inline bool advice_is_reset(int advice)
{
    return advice == ADVICE_DONTNEED || advice == ADVICE_DONTNEED_LOCKED;
}

ALWAYS_INLINE long prim_call6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

ALWAYS_INLINE long prim_call3(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

/* Linux keeps [-4095, -1] for errors. */
ALWAYS_INLINE bool prim_failed(long result)
{
    return (unsigned long)result > -4096UL;
}

static inline long prim_madvise(uintptr_t start, size_t length, int advice)
{
    return prim_call3(SYS_madvise, (long)start, (long)length, advice);
}

static inline long prim_msync(uintptr_t start, size_t length, int flags)
{
    return prim_call3(SYS_msync, (long)start, (long)length, flags);
}

static inline long prim_ioctl(int fd, unsigned long request, void *argument)
{
    return prim_call3(SYS_ioctl, fd, (long)request, (long)argument);
}

static inline long prim_fcntl(int fd, int command, long argument)
{
    return prim_call3(SYS_fcntl, fd, command, argument);
}

static inline long prim_open(const char *path, int flags, int mode)
{
    return prim_call6(SYS_openat, -100 /* AT_FDCWD */, (long)path, flags, mode, 0, 0);
}

static inline long prim_close(int fd)
{
    return prim_call3(SYS_close, fd, 0, 0);
}

static inline long prim_read(int fd, void *buffer, size_t length)
{
    return prim_call3(SYS_read, fd, (long)buffer, (long)length);
}

static inline long prim_pread(int fd, void *buffer, size_t length, int64_t offset)
{
    return prim_call6(SYS_pread64, fd, (long)buffer, (long)length, offset, 0, 0);
}

static inline long prim_write(int fd, const void *buffer, size_t length)
{
    return prim_call3(SYS_write, fd, (long)buffer, (long)length);
}

static inline long prim_pwrite(int fd, const void *buffer, size_t length, int64_t offset)
{
    return prim_call6(SYS_pwrite64, fd, (long)buffer, (long)length, offset, 0, 0);
}

/* glibc's struct stat is the kernel's own on x86-64. */
static inline long prim_fstat(int fd, struct stat *status)
{
    return prim_call3(SYS_fstat, fd, (long)status, 0);
}

static inline long prim_mmap(uintptr_t hint, size_t length, int protection, int flags, int fd, int64_t offset)
{
    return prim_call6(SYS_mmap, (long)hint, (long)length, protection, flags, fd, offset);
}

static inline long prim_munmap(uintptr_t start, size_t length)
{
    return prim_call3(SYS_munmap, (long)start, (long)length, 0);
}

static inline int prim_getpid(void)
{
    return (int)prim_call3(SYS_getpid, 0, 0, 0);
}

/* Nanoseconds of CLOCK_MONOTONIC, through the vdso: 20 ns. 0 when there is no clock. */
static inline uint64_t prim_now(void)
{
    struct timespec now;
    return clock_gettime(CLOCK_MONOTONIC, &now) ? 0
                                                : (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The same clock at the last tick, 1 to 10 ms ago: a third of the cost. */
static inline uint64_t prim_now_coarse(void)
{
    struct timespec now;
    return clock_gettime(CLOCK_MONOTONIC_COARSE, &now)
               ? 0
               : (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* CPU time of all threads of the process so far, in nanoseconds. A system call. 0 when it fails. */
static inline uint64_t prim_cpu_now(void)
{
    struct timespec used;
    long error = prim_call3(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, (long)&used, 0);
    return error ? 0 : (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* Blocks every signal of the calling thread, glibc's own 32 and 33 too (its wrapper would leave those), and
   returns the old mask. For rare paths: 2 system calls a pair. */
static inline uint64_t prim_block_signals(void)
{
    uint64_t all = ~0ULL, old = 0;
    prim_call6(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, (long)&all, (long)&old, sizeof old, 0, 0);
    return old;
}

static inline void prim_restore_signals(uint64_t old)
{
    prim_call6(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, (long)&old, 0, sizeof old, 0, 0);
}

/* Copies between two places of this process without ever faulting: local is written as read(2) would,
   remote is read as ptrace would. Returns bytes copied or a negative errno (EFAULT, EPERM under seccomp). */
static inline long prim_copy_safely(const struct iovec *local, const struct iovec *remote, size_t count)
{
    return prim_call6(SYS_process_vm_readv, prim_getpid(), (long)local, (long)count, (long)remote,
                      (long)count, 0);
}

#endif
