/* System calls made without libc's functions, which keepwarm interposes when it is preloaded: what a rival of
   keepwarm does must not pass through it. */
#ifndef BENCH_DIRECT_H
#define BENCH_DIRECT_H

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>

/* As syscall(2): -1 and errno on failure. */
static inline long direct_call(long number, long first, long second, long third)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third)
                     : "rcx", "r11", "memory");
    if ((unsigned long)result < -4095ul)
        return result;
    errno = (int)-result;
    return -1;
}

static inline int direct_madvise(void *start, size_t bytes, int advice)
{
    return (int)direct_call(SYS_madvise, (long)start, (long)bytes, advice);
}

static inline int direct_mprotect(void *start, size_t bytes, int protection)
{
    return (int)direct_call(SYS_mprotect, (long)start, (long)bytes, protection);
}

static inline int direct_ioctl(int descriptor, unsigned long request, void *argument)
{
    return (int)direct_call(SYS_ioctl, descriptor, (long)request, (long)argument);
}

#endif
