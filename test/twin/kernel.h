/* The kernel as it is, past any preloaded library: the raw system call, and numbers that older headers lack.
 */
#ifndef TWIN_KERNEL_H
#define TWIN_KERNEL_H

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096ul
#define HUGE (2ul << 20)

#define ADVICE_DONTNEED 4
#define ADVICE_FREE 8
#define ADVICE_MERGEABLE 12
#define ADVICE_HUGEPAGE 14
#define ADVICE_NOHUGEPAGE 15
#define ADVICE_DONTFORK 10
#define ADVICE_DOFORK 11
#define ADVICE_WIPEONFORK 18
#define ADVICE_KEEPONFORK 19
#define ADVICE_PAGEOUT 21
#define ADVICE_DONTNEED_LOCKED 24
#define ADVICE_GUARD_INSTALL 102
#define ADVICE_GUARD_REMOVE 103

#define NUMBER_mseal 462
#define PIDFD_SELF_THREAD_ (-10000)
#define PIDFD_SELF_PROCESS_ (-10001)

#define SCAN_FILE (1u << 2)
#define SCAN_PRESENT (1u << 3)
#define SCAN_SWAPPED (1u << 4)
#define SCAN_PFNZERO (1u << 5)
#define SCAN_HUGE (1u << 6)

struct scan_region {
    uint64_t start, end, categories;
};

struct scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define IOCTL_PAGEMAP_SCAN _IOWR('f', 16, struct scan_arg)
#define IOCTL_PROCMAP_QUERY _IOC(_IOC_READ | _IOC_WRITE, 'f', 17, 104)

/* Result as the kernel gives it: -errno on failure. The number comes out of memory, so that no hook finds it.
 */
static inline long raw_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    volatile long hidden = number;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(hidden), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long raw_madvise(void *at, unsigned long length, int advice)
{
    return raw_call(SYS_madvise, (long)at, (long)length, advice, 0, 0, 0);
}

#endif
