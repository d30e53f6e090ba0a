#include "route.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "groups.h"
#include "twin.h"

enum route { BY_LIBC, BY_SYSCALL, BY_INLINE, ROUTES };

static enum route next_route(void)
{
    static unsigned turn;
    if (!(world.group->classes & OPS_ROUTES))
        return BY_LIBC;
    return __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % ROUTES;
}

/* As compilers make them: the number in a mov before the instruction. */
#define INLINE(name)                                                                                         \
    static __attribute__((noinline)) long inline_##name(long a, long b, long c, long d, long e, long f)      \
    {                                                                                                        \
        long result;                                                                                         \
        register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;                    \
        __asm__ volatile("mov %[number], %%eax\n\tsyscall"                                                   \
                         : "=&a"(result)                                                                     \
                         : [number] "i"(SYS_##name), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)      \
                         : "rcx", "r11", "memory");                                                          \
        return result;                                                                                       \
    }
INLINE(mmap)
INLINE(mprotect)
INLINE(munmap)
INLINE(mremap)

static long with_errno(long result)
{
    if (result >= 0 || result < -4095)
        return result;
    errno = (int)-result;
    return -1;
}

void *route_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset)
{
    switch (next_route()) {
    case BY_SYSCALL:
        return (void *)syscall(SYS_mmap, at, length, protection, flags, file, offset);
    case BY_INLINE:
        return (void *)with_errno(inline_mmap((long)at, (long)length, protection, flags, file, offset));
    default:
        return mmap(at, length, protection, flags, file, offset);
    }
}

int route_mprotect(void *at, size_t length, int protection)
{
    switch (next_route()) {
    case BY_SYSCALL:
        return (int)syscall(SYS_mprotect, at, length, protection);
    case BY_INLINE:
        return (int)with_errno(inline_mprotect((long)at, (long)length, protection, 0, 0, 0));
    default:
        return mprotect(at, length, protection);
    }
}

int route_munmap(void *at, size_t length)
{
    switch (next_route()) {
    case BY_SYSCALL:
        return (int)syscall(SYS_munmap, at, length);
    case BY_INLINE:
        return (int)with_errno(inline_munmap((long)at, (long)length, 0, 0, 0, 0));
    default:
        return munmap(at, length);
    }
}

void *route_mremap(void *old, size_t old_length, size_t length, int flags, void *wanted)
{
    switch (next_route()) {
    case BY_SYSCALL:
        return (void *)syscall(SYS_mremap, old, old_length, length, flags, wanted);
    case BY_INLINE:
        return (void *)with_errno(
            inline_mremap((long)old, (long)old_length, (long)length, flags, (long)wanted, 0));
    default:
        return mremap(old, old_length, length, flags, wanted);
    }
}
