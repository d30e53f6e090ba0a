#include "shim/descriptors.h"

#include <linux/close_range.h>

#include "scan/files.h"
#include "shim/next.h"
#include "shim/state.h"

enum { OURS = 7 };

static int *our_number(unsigned i)
{
    int *const numbers[OURS] = {
        &process.files.pagemap, &process.files.maps,  &process.files.zero,       &process.live,
        &process.memory.usage,  &process.memory.stat, &process.memory.contention};
    return numbers[i];
}

bool descriptor_is_ours(int fd)
{
    for (unsigned i = 0; i < OURS; i++)
        if (fd >= 0 && __atomic_load_n(our_number(i), __ATOMIC_RELAXED) == fd)
            return true;
    return false;
}

/* In a fork child that has made no call yet, ours are copies that it will not use: they are forgotten. */
static void forget(int fd)
{
    for (unsigned i = 0; i < OURS; i++)
        if (*our_number(i) == fd)
            *our_number(i) = -1;
}

static void make_way(int fd)
{
    if (!descriptor_is_ours(fd))
        return;
    if (state_is_unadopted_child()) {
        forget(fd);
        return;
    }
    if (!state_is_ours())
        return;
    for (unsigned i = 0; i < OURS; i++)
        if (*our_number(i) == fd) {
            long moved = prim_fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
            if (prim_failed(moved))
                moved = prim_fcntl(fd, F_DUPFD_CLOEXEC, 3);
            __atomic_store_n(our_number(i), prim_failed(moved) ? -1 : (int)moved, __ATOMIC_RELEASE);
        }
}

bool descriptors_prepare_dup(int from, int to)
{
    /* Behind a filter nothing may be asked of the kernel, and ours are used no more. */
    if (process.sandboxed) {
        forget(to);
        return !descriptor_is_ours(from);
    }
    bool exists = !descriptor_is_ours(from) && !prim_failed(prim_fcntl(from, F_GETFD, 0));
    if (exists && to != from)
        make_way(to);
    return exists;
}

static long plain_close_range(unsigned first, unsigned last, int flags)
{
    return prim_call3(SYS_close_range, first, last, flags);
}

/* The lowest number of ours in [first, last], or -1. */
static int lowest_of_ours(unsigned first, unsigned last)
{
    int lowest = -1;
    for (unsigned i = 0; i < OURS; i++) {
        int fd = __atomic_load_n(our_number(i), __ATOMIC_RELAXED);
        if (fd >= 0 && (unsigned)fd >= first && (unsigned)fd <= last && (lowest < 0 || fd < lowest))
            lowest = fd;
    }
    return lowest;
}

/* Ours are close-on-exec already. An UNSHARE in the first part is one for all parts; a range that is wrong or
   holds none of ours is the kernel's to answer. */
long descriptors_close_range(unsigned first, unsigned last, int flags)
{
    int ours = first > last ? -1 : lowest_of_ours(first, last);
    if (ours < 0 || flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
        return plain_close_range(first, last, flags);
    for (;;) {
        long error = (unsigned)ours > first ? plain_close_range(first, (unsigned)ours - 1, flags) : 0;
        if (error || (unsigned)ours == last)
            return error;
        first = (unsigned)ours + 1;
        ours = lowest_of_ours(first, last);
        if (ours < 0)
            return plain_close_range(first, last, flags);
    }
}

EXPORT int close(int fd)
{
    if (descriptor_is_ours(fd)) {
        errno = EBADF;
        return -1;
    }
    return CALL_NEXT(close, prim_close(fd), fd);
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    return (int)with_errno(descriptors_close_range(first, last, flags));
}

/* glibc's own reads /proc where close_range is missing; PAGEMAP_SCAN's kernels all have it (Linux 5.9). */
EXPORT void closefrom(int first)
{
    long error = descriptors_close_range(first < 0 ? 0 : (unsigned)first, ~0U, 0);
    if (error && next_closefrom)
        next_closefrom(first);
}

EXPORT int dup2(int from, int to)
{
    if (!descriptors_prepare_dup(from, to)) {
        errno = EBADF;
        return -1;
    }
    return CALL_NEXT(dup2, prim_call3(SYS_dup2, from, to, 0), from, to);
}

EXPORT int dup3(int from, int to, int flags)
{
    bool plain = from != to && !(flags & ~O_CLOEXEC);
    if (plain && !descriptors_prepare_dup(from, to)) {
        errno = EBADF;
        return -1;
    }
    return CALL_NEXT(dup3, prim_call3(SYS_dup3, from, to, flags), from, to, flags);
}
