/* Steps in which resets meet: threads in neighbouring pages, signal handlers, cancellation and jumps out of a
 * reset. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "ops.h"
#include "pair.h"
#include "place.h"
#include "reset.h"
#include "touch.h"

#define THREADS_MAX 4

struct worker {
    pthread_t thread;
    struct random random;
    const struct pair *pair;
    size_t first, end;
    unsigned rounds;
};

static void check_stripe(const struct worker *worker, const char *when)
{
    for (size_t page = worker->first; page < worker->end; page++) {
        const uint8_t *real = worker->pair->at[REAL] + page * PAGE;
        const uint8_t *library = worker->pair->at[LIBRARY] + page * PAGE;
        int equal = touch_equal(real, library, PAGE);
        if (equal == 0 || (equal < 0 && touch_read(real) != touch_read(library)))
            fail("threads on %s, slot %u: page %zu differs %s", worker->pair->kind->text, worker->pair->slot,
                 page, when);
    }
}

/* Each thread owns its stripe on both sides; a neighbour's reset must not reach into it. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    const struct pair *pair = worker->pair;
    for (unsigned i = 0; i < worker->rounds; i++) {
        size_t at = worker->first + random_below(&worker->random, worker->end - worker->first);
        uint8_t byte = (uint8_t)(1 + random_below(&worker->random, 255));
        for (int side = REAL; side <= LIBRARY; side++)
            touch_fill(pair->at[side] + at * PAGE, (worker->end - at) * PAGE, PAGE, byte);
        check_stripe(worker, "after a store");
        size_t length = (worker->end - worker->first) * PAGE;
        struct outcome real =
            took_raw(raw_madvise(pair->at[REAL] + worker->first * PAGE, length, ADVICE_DONTNEED));
        struct outcome library =
            reset_library(pair->at[LIBRARY] + worker->first * PAGE, length, ADVICE_DONTNEED, i & 1);
        same("madvise in a thread", real, library);
        check_stripe(worker, "after a reset");
        count_operations(2);
        count_row(ROW_threads, 1);
    }
    return NULL;
}

void op_threads(struct pair *pair)
{
    struct worker workers[THREADS_MAX];
    size_t count = 2 + below(THREADS_MAX - 1), share = pair->pages / count;
    unsigned rounds = 4 + (unsigned)below(20);
    if (share == 0 || (pair->kind->bits & (K_HUGE | K_LARGE)))
        return;
    note("%zu threads, %u rounds, %zu pages each, slot %u", count, rounds, share, pair->slot);
    for (size_t i = 0; i < count; i++) {
        workers[i] = (struct worker){.random = {random_next(&world.random)},
                                     .pair = pair,
                                     .first = i * share,
                                     .end = (i + 1) * share,
                                     .rounds = rounds};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            fail("cannot start a thread");
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
    compare_pair(pair);
}

/* Memory of the library's side alone: what is left after a handler or a jump must be zero once it is reset.
 */
#define EXTRA_PAGES 16
static uint8_t *extra;

static void extra_open(void)
{
    uint8_t *at = (uint8_t *)(LIBRARY_BASE + PAIRS_MAX * SLOT_SIZE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (!extra)
        extra = mmap(at, EXTRA_PAGES * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (extra != at)
        fail("cannot map memory for handlers");
    if (world.place == PLACE_locked)
        munlock(extra, EXTRA_PAGES * PAGE);
}

static void extra_dirty(unsigned step)
{
    for (size_t i = 0; i < EXTRA_PAGES; i += 1 + step % 3)
        *(volatile uint8_t *)(extra + i * PAGE + step % PAGE) = 0x5a;
}

static bool extra_reset(void)
{
    if (reset_library(extra, EXTRA_PAGES * PAGE, ADVICE_DONTNEED, false).result != 0)
        return false;
    for (size_t i = 0; i < EXTRA_PAGES * PAGE; i += sizeof(uint64_t))
        if (*(volatile uint64_t *)(extra + i))
            return false;
    return true;
}

static void *churn(void *unused)
{
    (void)unused;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (unsigned i = 0;; i++) {
        extra_dirty(i);
        madvise(extra, EXTRA_PAGES * PAGE, ADVICE_DONTNEED);
    }
    return NULL;
}

void op_cancel(struct pair *pair)
{
    pthread_t thread;
    struct timespec while_it_runs = {0, (long)(20000 + below(200000))};
    if (world.place == PLACE_emfile || world.place == PLACE_chroot) /* libc loads its unwinder from a file */
        return;
    extra_open();
    note("cancel a thread that resets");
    if (pthread_create(&thread, NULL, churn, NULL) != 0)
        fail("cannot start a thread");
    nanosleep(&while_it_runs, NULL);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    extra_dirty(0);
    if (!extra_reset())
        fail("a reset after a cancelled thread left data behind");
    count_row(ROW_cancelled, 1);
    op_reset(pair);
}

static struct pair *handler_pair;
static struct outcome handler_outcome[2];

static void on_signal(int number)
{
    (void)number;
    size_t length = handler_pair->pages * PAGE;
    handler_outcome[REAL] = took_raw(raw_madvise(handler_pair->at[REAL], length, ADVICE_DONTNEED));
    handler_outcome[LIBRARY] = reset_library(handler_pair->at[LIBRARY], length, ADVICE_DONTNEED, false);
}

void op_signal(struct pair *pair)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    handler_pair = pair;
    fill_some(pair);
    reset_count(pair, 0, (long)pair->pages, ADVICE_DONTNEED);
    note("reset slot %u in a signal handler", pair->slot);
    raise(SIGUSR1);
    if (same("madvise in a signal handler", handler_outcome[REAL], handler_outcome[LIBRARY]))
        reset_done(pair, 0, (long)pair->pages);
    count_row(ROW_signal, 1);
    compare_pair(pair);
}

static sigjmp_buf out_of_reset;
static volatile sig_atomic_t jump, handled, handler_failed;
static volatile long again_after; /* microseconds; 0: not again */

static void set_timer(long microseconds)
{
    struct itimerval timer = {.it_value.tv_usec = microseconds};
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Runs in the middle of anything, and of a reset at best: no part of the test that is not reentrant. */
static void on_alarm(int number)
{
    int error = errno;
    (void)number;
    if (jump)
        siglongjmp(out_of_reset, 1);
    extra_dirty((unsigned)handled++);
    if (!extra_reset())
        handler_failed = 1;
    if (again_after) /* armed anew from here: a slow handler must not leave the program no time */
        set_timer(again_after);
    errno = error;
}

static void alarm_in(long microseconds, bool again)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    again_after = again ? microseconds : 0;
    if (microseconds)
        sigaction(SIGALRM, &action, NULL);
    set_timer(microseconds);
}

void op_interrupt(struct pair *pair)
{
    unsigned rounds = 10 + (unsigned)below(30);
    long every = 30 + (long)below(100);
    extra_open();
    jump = handled = 0;
    note("%u resets of slot %u under a timer of %ld us whose handler resets", rounds, pair->slot, every);
    alarm_in(every, true);
    for (unsigned i = 0; i < rounds; i++) {
        fill_some(pair);
        op_reset(pair);
        count_operations(1);
    }
    alarm_in(0, false);
    if (handler_failed)
        fail("a reset in a handler that interrupted another left data behind");
    count_row(ROW_interrupted, (unsigned long)handled);
    compare_all();
}

void op_jump(struct pair *pair)
{
    extra_open();
    note("jump out of resets");
    if (sigsetjmp(out_of_reset, 1) == 0) {
        jump = 1;
        alarm_in(5 + (long)below(60), false);
        for (unsigned i = 0;; i++) {
            extra_dirty(i);
            madvise(extra, EXTRA_PAGES * PAGE, ADVICE_DONTNEED);
        }
    }
    jump = 0;
    extra_dirty(1);
    if (!extra_reset())
        fail("a reset after a jump out of another left data behind");
    count_row(ROW_jumped, 1);
    op_reset(pair);
}
