/* The interposed madvise and process_madvise. */
#include "shim/madvise.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "scan/call_path.h"
#include "scan/prim.h"
#include "shim/keeping.h"
#include "shim/next.h"
#include "shim/reset_call.h"
#include "shim/stack_room.h"
#include "shim/state.h"
#include "shim/statistics.h"
#include "shim/steady.h"

/* Of a call that the kernel answered before anything else was done. */
static __attribute__((noinline)) void count_passed_on(int advice, size_t length, long result)
{
    if (process.inert)
        return;
    state_enter();
    if (advice_is_reset(advice)) {
        reset_count_forwarded(REASON_own_stack, length, result, counters_timed_turn());
        return;
    }
    count(COUNTER_real_calls, 1);
    statistics_after_call(false);
}

ALWAYS_INLINE long answer(uintptr_t start, size_t length, int advice, uintptr_t caller, bool vectors_free)
{
    if (likely(advice_is_reset(advice) && !process.inert))
        return reset_call(start, length, advice, caller, vectors_free);
    state_note_advice(advice);
    long result = prim_madvise(start, length, advice);
    count_passed_on(advice, length, result);
    return result;
}

static __attribute__((noinline)) long answer_anew(uintptr_t start, size_t length, int advice,
                                                  uintptr_t caller)
{
    return answer(start, length, advice, caller, false);
}

/* Of one type with what jumps to it: else it is called, below that frame. */
static __attribute__((noinline, cold)) long after_steady_call(void)
{
    statistics_after_call(false);
    return 0;
}

__attribute__((noinline)) long answer_madvise(uintptr_t start, size_t length, int advice, uintptr_t caller)
{
    if (advice_is_reset(advice) && likely(steady_call(start, length, advice, caller, false)))
        return unlikely(statistics_want_calls()) ? after_steady_call() : 0;
    return answer_anew(start, length, advice, caller);
}

static __attribute__((noinline)) long madvise_anew(void *address, size_t length, int advice, uintptr_t caller)
{
    return with_errno(answer((uintptr_t)address, length, advice, caller, true));
}

long madvise_apart(void *address, size_t length, int advice)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    if (advice_is_reset(advice) && likely(steady_call((uintptr_t)address, length, advice, caller, true)))
        return unlikely(statistics_want_calls()) ? after_steady_call() : 0;
    return madvise_anew(address, length, advice, caller);
}

long madvise_over_stack(long result, size_t length, int advice)
{
    state_note_advice(advice);
    count_passed_on(advice, length, result);
    return with_errno(result);
}

/* ---- process_madvise ---- */

/* Does a range meet this stack? A vector that holds such a range is the kernel's to answer, as madvise's is.
 */
static bool covers_stack(uintptr_t start, size_t length)
{
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0);
    return start < stack + STACK_ABOVE && stack - STACK_BELOW < start + length + PAGE - 1;
}

enum { SELF_THREAD = -10000, SELF_GROUP = -10001, VECTOR_MAX = 1024 };

/* Ranges that are read at once. But one by one while they are answered: a reset needs most of 2 KiB of stack
   below that. */
enum { CHUNK = 8 };

/* The kernel cuts a vector's total here (MAX_RW_COUNT). */
#define TOTAL_MAX ((size_t)0x7ffff000)
/* TASK_SIZE_MAX with page tables of four levels; above it only those who ask for it are given memory. */
#define ADDRESS_MAX (((uintptr_t)1 << 47) - PAGE)

/* include/uapi/linux/pidfd.h: struct pidfd_info, first version (Linux 6.13). */
struct pidfd_information {
    uint64_t mask, cgroup;
    uint32_t pid, tgid, ppid, ids[8], exit_code;
};
#define PIDFD_GET_INFO_REQUEST _IOWR(0xFF, 11, struct pidfd_information)
_Static_assert(sizeof(struct pidfd_information) == 64, "PIDFD_INFO_SIZE_VER0");

static __attribute__((noinline)) bool is_self(int pidfd)
{
    struct pidfd_information information = {.mask = 1 /* PIDFD_INFO_PID */};
    if (pidfd == SELF_THREAD || pidfd == SELF_GROUP)
        return true;
    return !process.sandboxed && prim_ioctl(pidfd, PIDFD_GET_INFO_REQUEST, &information) == 0 &&
           information.tgid == (uint32_t)prim_getpid();
}

/* Every kernel before 6.13 refuses DONTNEED here, and before 6.14 PIDFD_SELF: serve only what the kernel has
   been seen to do. */
static uint32_t vector_kind(int pidfd)
{
    return pidfd == SELF_THREAD || pidfd == SELF_GROUP ? 2 : 1;
}

static __attribute__((noinline)) bool copy_chunk(const struct iovec *vector, size_t count,
                                                 struct iovec *chunk)
{
    struct iovec to = {chunk, count * sizeof *chunk}, from = {(void *)vector, count * sizeof *chunk};
    return prim_copy_safely(&to, &from, 1) == (long)to.iov_len;
}

static bool is_plain(const struct iovec *range, size_t *total, const struct iovec *vector, size_t count)
{
    uintptr_t start = (uintptr_t)range->iov_base, end = start + range->iov_len;
    uintptr_t vector_start = (uintptr_t)vector, vector_end = (uintptr_t)(vector + count);
    bool whole = start % PAGE == 0 && range->iov_len && range->iov_len <= TOTAL_MAX - *total && end > start;
    /* Of an address that no program has, the kernel refuses the whole vector first (import_iovec). */
    if (!whole || end > ADDRESS_MAX || (start < vector_end && vector_start < end + PAGE) ||
        covers_stack(start, range->iov_len))
        return false;
    *total += range->iov_len;
    return true;
}

/* True when each range can be answered on its own: no odd address or length, nothing the kernel would cut,
   and none that holds the vector itself or this stack. */
static __attribute__((noinline)) bool is_plain_vector(const struct iovec *vector, size_t count)
{
    struct iovec chunk[CHUNK];
    size_t total = 0;
    for (size_t at = 0; at < count; at += CHUNK) {
        size_t some = count - at < CHUNK ? count - at : CHUNK;
        if (!copy_chunk(vector + at, some, chunk))
            return false;
        for (size_t i = 0; i < some; i++)
            if (!is_plain(&chunk[i], &total, vector, count))
                return false;
    }
    return true;
}

/* As the kernel does it (mm/madvise.c, vector_madvise): ranges in order, up to the first that fails; bytes of
   those that did not, or its error when there are none. */
static __attribute__((noinline)) bool reset_vector(const struct iovec *vector, size_t count, int advice,
                                                   uintptr_t caller, long *result)
{
    struct iovec range;
    *result = 0;
    for (size_t i = 0; i < count; i++) {
        long error = copy_chunk(vector + i, 1, &range)
                         ? answer_madvise((uintptr_t)range.iov_base, range.iov_len, advice, caller)
                         : -EFAULT;
        if (error < 0) {
            *result = *result ? *result : error;
            break;
        }
        *result += (long)range.iov_len;
    }
    return true;
}

/* Of a vector that the kernel answers. While calls are not served just now, its ranges are counted one by
   one, as they are while calls are served: the arms must count alike. */
static void count_vector(bool ours, size_t length)
{
    enum reason standing = standing_reason();
    bool one = !standing_serves(standing) || standing == REASON_COUNT || !length || length > VECTOR_MAX;
    count(COUNTER_real_calls, 1);
    for (size_t i = 0; ours && i < (one ? 1 : length); i++)
        count_declined(standing == REASON_COUNT ? REASON_vector : standing);
    statistics_after_call(false);
}

/* What its ranges kept is gone when the kernel answers it. Where the vector cannot be read, the kernel does
   not get further either. */
static __attribute__((noinline)) void drop_vector(const struct iovec *vector, size_t count)
{
    struct iovec chunk[CHUNK];
    for (size_t at = 0; at < count; at += CHUNK) {
        size_t some = count - at < CHUNK ? count - at : CHUNK;
        if (!copy_chunk(vector + at, some, chunk))
            return;
        for (size_t i = 0; i < some; i++)
            keeping_dropped((uintptr_t)chunk[i].iov_base, chunk[i].iov_len);
    }
}

/* Has the kernel answer a vector that could be served, to see whether it does this. */
static bool try_vector(int pidfd, const struct iovec *vector, size_t length, int advice, long *result)
{
    *result = prim_call6(SYS_process_madvise, pidfd, (long)vector, (long)length, advice, 0, 0);
    if (*result > 0)
        __atomic_fetch_or(&process.vectors, vector_kind(pidfd), __ATOMIC_RELAXED);
    count_vector(true, length);
    return true;
}

static bool is_known(int pidfd)
{
    return __atomic_load_n(&process.vectors, __ATOMIC_RELAXED) & vector_kind(pidfd);
}

static bool is_servable(const struct iovec *vector, size_t length, unsigned flags)
{
    return flags == 0 && length > 0 && length <= VECTOR_MAX && standing_reason() == REASON_COUNT &&
           is_plain_vector(vector, length);
}

bool site_process_madvise(int pidfd, const struct iovec *vector, size_t length, int advice, unsigned flags,
                          uintptr_t caller, long *result)
{
    if (process.inert)
        return false;
    bool entered = state_enter();
    bool ours = advice_is_reset(advice) && is_self(pidfd);
    state_note_advice(advice);
    /* Returned at once: that is a jump, and leaves their stack to the resets. */
    if (entered && ours && is_servable(vector, length, flags))
        return is_known(pidfd) ? reset_vector(vector, length, advice, caller, result)
                               : try_vector(pidfd, vector, length, advice, result);
    enum reason standing = standing_reason();
    if (ours && standing != REASON_COUNT && standing_serves(standing) && length <= VECTOR_MAX)
        drop_vector(vector, length);
    count_vector(ours, length);
    return false;
}
