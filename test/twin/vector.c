/* Steps that reset through process_madvise: vectors of every shape, and every way to name the process. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "compare.h"
#include "ops.h"
#include "pair.h"
#include "reset.h"
#include "touch.h"

#define ENTRIES_MAX 1030

/* The same call for both sides; the vectors differ in their bases only. */
struct call {
    int process;
    struct iovec *vector[2];
    size_t count;
    int advice;
    unsigned flags;
};

static struct iovec entries[2][ENTRIES_MAX];

static void add(struct pair *pair, struct call *call, long offset, size_t length)
{
    for (int side = REAL; side <= LIBRARY; side++)
        entries[side][call->count] = (struct iovec){pair->at[side] + offset, length};
    call->count++;
}

static void add_pages(struct pair *pair, struct call *call)
{
    long first, end;
    reset_pick(pair, &first, &end);
    add(pair, call, first * (long)PAGE, (size_t)(end - first) * PAGE);
}

static struct outcome call_library(const struct call *call)
{
    errno = 0;
    atomic_fetch_add(&world.report->resets, 1);
    if (chance(50))
        return took(syscall(SYS_process_madvise, call->process, call->vector[LIBRARY], call->count,
                            call->advice, call->flags));
    return took(
        process_madvise(call->process, call->vector[LIBRARY], call->count, call->advice, call->flags));
}

/* Rows and expectations of the entries that lie in [0, advised) bytes of the vector. */
static void settle(struct pair *pair, const struct call *call, long advised)
{
    long sum = 0;
    for (size_t i = 0; i < call->count && i < ENTRIES_MAX; i++) {
        long offset = (uint8_t *)entries[LIBRARY][i].iov_base - pair->at[LIBRARY];
        long length = (long)entries[LIBRARY][i].iov_len;
        sum += length;
        if (sum > advised)
            return;
        if (length > 0)
            reset_done(pair, offset / (long)PAGE, (offset + length + (long)PAGE - 1) / (long)PAGE);
    }
}

static struct outcome run(struct pair *pair, enum row row, struct call *call)
{
    for (int side = REAL; side <= LIBRARY; side++)
        if (!call->vector[side])
            call->vector[side] = entries[side];
    note("process_madvise slot %u: %zu entries, process %d, advice %d, flags %u: %s", pair->slot, call->count,
         call->process, call->advice, call->flags, (const char *[]){"odd", "plain"}[row == ROW_vector]);
    struct outcome real = took_raw(raw_call(SYS_process_madvise, call->process, (long)call->vector[REAL],
                                            (long)call->count, call->advice, call->flags, 0));
    struct outcome library = call_library(call);
    same("process_madvise", real, library);
    count_row(row, 1);
    if (world.closed)
        count_row(ROW_closed, 1);
    return real;
}

static void run_and_settle(struct pair *pair, enum row row, struct call *call)
{
    struct outcome outcome = run(pair, row, call);
    if (outcome.result > 0)
        settle(pair, call, outcome.result);
}

static void many(struct pair *pair, struct call *call)
{
    size_t count = chance(3) ? 1024 : 2 + below(40);
    for (size_t i = 0; i < count; i++) {
        size_t page = below(pair->pages);
        add(pair, call, (long)(page * PAGE), PAGE * (1 + below(2)));
    }
    run_and_settle(pair, ROW_vector_many, call);
}

/* Nothing is mapped past the window of a pair. */
static void with_hole(struct pair *pair, struct call *call)
{
    size_t before = below(3), after = below(3);
    for (size_t i = 0; i < before; i++)
        add_pages(pair, call);
    long edge = (long)(pair->pages + GAP_PAGES) * (long)PAGE;
    add(pair, call, edge - (long)(below(3) * PAGE), (1 + below(4)) * PAGE);
    for (size_t i = 0; i < after; i++)
        add_pages(pair, call);
    run_and_settle(pair, ROW_vector_hole, call);
}

static void odd(struct pair *pair, struct call *call)
{
    size_t count = 1 + below(5);
    for (size_t i = 0; i < count; i++) {
        long at = (long)(below(pair->pages) * PAGE);
        switch (below(5)) {
        case 0:
            add(pair, call, at, 0);
            break;
        case 1:
            add(pair, call, at, 1);
            break;
        case 2:
            add(pair, call, at, 1 + below(2 * PAGE));
            break;
        case 3:
            add(pair, call, at + (chance(30) ? 1 + (long)below(PAGE) : 0), PAGE);
            break;
        default:
            add_pages(pair, call);
        }
    }
    run_and_settle(pair, ROW_vector_odd, call);
}

static void bad(struct pair *pair, struct call *call)
{
    add_pages(pair, call);
    switch (below(5)) {
    case 0:
        call->vector[REAL] = call->vector[LIBRARY] = (struct iovec *)0xffff800000000000;
        break;
    case 1: /* in the gap: cannot be read */
        for (int side = REAL; side <= LIBRARY; side++)
            call->vector[side] = (struct iovec *)(void *)(pair->at[side] - PAGE);
        break;
    case 2:
        for (size_t i = 1; i < 1025; i++)
            add(pair, call, 0, PAGE);
        break;
    case 3:
        call->flags = 1 + (unsigned)below(3);
        break;
    default:
        add(pair, call, 0, (size_t)-1 - below(PAGE)); /* the sum overflows */
    }
    run(pair, ROW_vector_bad, call);
}

/* The kernel copies the vector before it drops the page that holds it. */
static void in_range(struct pair *pair, struct call *call)
{
    size_t page = below(pair->pages), at = page * PAGE + 64 + 16 * below(32);
    if (pair_any(pair, page, page + 1) & (A_UNREADABLE | A_READ_ONLY))
        return;
    if (!(pair->kind->bits & K_PRIVATE) || pair->source[page] != -1)
        return;
    add(pair, call, (long)(page * PAGE), PAGE);
    for (int side = REAL; side <= LIBRARY; side++) {
        call->vector[side] = (struct iovec *)(void *)(pair->at[side] + at);
        if (touch_fill((uint8_t *)call->vector[side], sizeof(struct iovec), 1, 0) != sizeof(struct iovec))
            return;
        *call->vector[side] = entries[side][0];
    }
    run_and_settle(pair, ROW_vector_in_range, call);
    for (int side = REAL; side <= LIBRARY; side++) /* a refused call leaves two different vectors */
        touch_fill((uint8_t *)call->vector[side], sizeof(struct iovec), 1, 0);
}

static int pidfd_of(long process)
{
    return (int)syscall(SYS_pidfd_open, process, 0);
}

static void other(struct pair *pair, struct call *call)
{
    int opened = -1;
    add_pages(pair, call);
    switch (below(4)) {
    case 0:
        call->process = opened = pidfd_of(world.in_child ? 1 : getppid());
        break;
    case 1:
        call->process = -1;
        break;
    case 2:
        call->process = 1 << 20;
        break;
    default:
        call->process = opened = open("/dev/zero", O_RDWR | O_CLOEXEC);
    }
    run(pair, ROW_vector_other, call);
    if (opened >= 0)
        close(opened);
}

static void plain(struct pair *pair, struct call *call)
{
    static const int selves[] = {PIDFD_SELF_THREAD_, PIDFD_SELF_PROCESS_};
    bool self = chance(60);
    add_pages(pair, call);
    if (self)
        call->process = PICK(&world.random, selves);
    run_and_settle(pair, self ? ROW_vector_self : ROW_vector, call);
}

void op_vector(struct pair *pair)
{
    struct call call = {.advice = chance(90) ? ADVICE_DONTNEED : ADVICE_DONTNEED_LOCKED};
    int opened = chance(60) ? pidfd_of(getpid()) : -1;
    unsigned how = (unsigned)below(100);
    call.process = opened >= 0 ? opened : PIDFD_SELF_THREAD_;
    memset(entries, 0, 64 * sizeof entries[0][0]);
    if (chance(60))
        fill_some(pair);
    if (how < 33)
        plain(pair, &call);
    else if (how < 46)
        many(pair, &call);
    else if (how < 56)
        with_hole(pair, &call);
    else if (how < 69)
        odd(pair, &call);
    else if (how < 74)
        run(pair, ROW_vector_empty, &call);
    else if (how < 79)
        bad(pair, &call);
    else if (how < 95)
        in_range(pair, &call);
    else
        other(pair, &call);
    if (opened >= 0)
        close(opened);
    compare_pair(pair);
}
