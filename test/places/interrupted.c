/* Resets that are interrupted: by a handler that resets, jumps away or forks, by a cancellation. Whatever was
   begun must be right at the end, and later resets are served. */
#include "test/places/place.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LENGTH = 512 * PLACE_PAGE, JUMPS = 1000, FORKS = 60, CANCELLED = 200 };

static unsigned char *mine, *handlers;
static volatile sig_atomic_t handled, wrong, in_child, can_jump;
static volatile pid_t child;
static sigjmp_buf back;

static void handle_with(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
}

static void ring_in(long microseconds, long then)
{
    struct itimerval timer = {{0, then}, {0, microseconds}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* alarm is this test's own timer: the time limit is kept another way. */
static void *watch(void *nothing)
{
    sleep(30);
    _exit(CASE_FAILED);
    return nothing;
}

static void start_watch(void)
{
    pthread_t thread;
    sigset_t alarms, old;
    alarm(0);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, &old);
    pthread_create(&thread, NULL, watch, NULL);
    pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void touch(unsigned char *memory)
{
    for (size_t at = 0; at < LENGTH; at += PLACE_PAGE)
        memory[at] = 1;
}

static bool is_fresh(const unsigned char *memory)
{
    for (size_t at = 0; at < LENGTH; at += PLACE_PAGE)
        if (memory[at])
            return false;
    return true;
}

static void reset_in_handler(int signal_number)
{
    (void)signal_number;
    touch(handlers);
    wrong |= madvise(handlers, LENGTH, MADV_DONTNEED) != 0 || !is_fresh(handlers);
    handled++;
}

static int handler_that_resets(void)
{
    uint64_t served = counter("served"), loops = 0;
    handle_with(reset_in_handler);
    ring_in(300, 1300);
    for (; handled < 300; loops++) {
        touch(mine);
        EXPECT(madvise(mine, LENGTH, MADV_DONTNEED) == 0 && is_fresh(mine));
    }
    ring_in(0, 0);
    EXPECT(!wrong);
    EXPECT(counter("served") == served + loops + (uint64_t)handled);
    return CASE_PASSED;
}

static void jump_away(int signal_number)
{
    (void)signal_number;
    if (can_jump) {
        handled++;
        siglongjmp(back, 1);
    }
}

static int jumps_out_of_a_handler(void)
{
    handle_with(jump_away);
    srandom(1);
    while (handled < JUMPS) {
        if (sigsetjmp(back, 1) == 0) {
            can_jump = 1;
            ring_in(1 + random() % 300, 0);
            for (;;) {
                touch(mine);
                madvise(mine, LENGTH, MADV_DONTNEED);
            }
        }
        can_jump = 0;
    }
    uint64_t before = counter("served");
    for (int i = 0; i < 100; i++) {
        touch(mine);
        EXPECT(madvise(mine, LENGTH, MADV_DONTNEED) == 0 && is_fresh(mine));
    }
    EXPECT(counter("served") == before + 100);
    EXPECT(is_served());
    return CASE_PASSED;
}

static void fork_in_handler(int signal_number)
{
    (void)signal_number;
    handled++;
    child = fork();
    if (child == 0)
        in_child = 1;
}

/* In the parent or in the child, which cannot return. */
static void must_be(bool fresh)
{
    if (fresh)
        return;
    fprintf(stderr, "not fresh in the %s\n", in_child ? "child" : "parent");
    _exit(CASE_FAILED);
}

/* The child goes on in the middle of its parent's reset, on memory of its own. */
static int forks_in_a_handler(void)
{
    handle_with(fork_in_handler);
    srandom(2);
    for (int i = 0; i < FORKS; i++) {
        int status;
        child = 0;
        int before = handled;
        touch(mine);
        ring_in(1 + random() % 300, 0);
        do {
            touch(mine);
            int result = madvise(mine, LENGTH, MADV_DONTNEED);
            must_be(result == 0 && is_fresh(mine));
        } while (handled == before);
        if (in_child)
            _exit(0);
        EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
    EXPECT(is_served());
    return CASE_PASSED;
}

enum { WIDE = 160 << 20, STRIDE = 256 << 10, WIDE_FORKS = 40 };

static unsigned char *wide;
static volatile int *dropped; /* shared: the parent's pages are gone */

/* The parent drops its own pages behind the library's back; only then does the child go on. */
static void fork_and_drop(int signal_number)
{
    fork_in_handler(signal_number);
    if (in_child) {
        while (!*dropped)
            continue;
    } else {
        raw_call(SYS_madvise, (long)wide, WIDE, MADV_DONTNEED, 0);
        *dropped = 1;
    }
}

static bool wide_is_fresh(void)
{
    for (size_t at = 0; at < WIDE; at += STRIDE)
        if (wide[at])
            return false;
    return true;
}

/* The child's next slice must not be scanned through the parent's descriptor, where its dirty pages are not.
 */
static int forks_between_slices(void)
{
    wide = mmap(NULL, WIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    dropped = mmap(NULL, PLACE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT(wide != MAP_FAILED && (void *)dropped != MAP_FAILED);
    EXPECT(madvise(wide, WIDE, MADV_NOHUGEPAGE) == 0);
    handle_with(fork_and_drop);
    srandom(4);
    for (int i = 0; i < WIDE_FORKS; i++) {
        int status, before = handled;
        *dropped = 0;
        child = 0;
        ring_in(200 + random() % 1500, 0);
        do {
            for (size_t at = 0; at < WIDE; at += STRIDE)
                wide[at] = 1;
            bool in_time = handled == before;
            int result = madvise(wide, WIDE, MADV_DONTNEED);
            must_be(result == 0 && (!in_time || wide_is_fresh()));
        } while (handled == before);
        if (in_child)
            _exit(0);
        EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
    EXPECT(is_served());
    return CASE_PASSED;
}

static void *reset_for_ever(void *memory)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) {
        touch(memory);
        madvise(memory, LENGTH, MADV_DONTNEED);
    }
    return NULL;
}

static int cancelled_threads(void)
{
    srandom(3);
    for (int i = 0; i < CANCELLED; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, reset_for_ever, mine) == 0);
        usleep((unsigned)(random() % 1500));
        EXPECT(pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0);
    }
    uint64_t before = counter("served");
    for (int i = 0; i < 100; i++) {
        touch(mine);
        EXPECT(madvise(mine, LENGTH, MADV_DONTNEED) == 0 && is_fresh(mine));
    }
    EXPECT(counter("served") == before + 100);
    return CASE_PASSED;
}

#define WITH_MEMORY(name)                                                                                    \
    static int run_##name(void)                                                                              \
    {                                                                                                        \
        mine = dirty_memory(LENGTH);                                                                         \
        handlers = dirty_memory(LENGTH);                                                                     \
        start_watch();                                                                                       \
        return name();                                                                                       \
    }
WITH_MEMORY(handler_that_resets)
WITH_MEMORY(jumps_out_of_a_handler)
WITH_MEMORY(forks_in_a_handler)
WITH_MEMORY(forks_between_slices)
WITH_MEMORY(cancelled_threads)

int main(int argc, char **argv)
{
    static const struct place_case cases[] = {
        {"handler_that_resets", NULL, NULL, run_handler_that_resets},
        {"handler_that_resets_cached", "any,vma=cache", NULL, run_handler_that_resets},
        {"jumps_out_of_a_handler", NULL, NULL, run_jumps_out_of_a_handler},
        {"forks_in_a_handler", NULL, NULL, run_forks_in_a_handler},
        {"forks_between_slices", NULL, NULL, run_forks_between_slices},
        {"cancelled_threads", NULL, NULL, run_cancelled_threads},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
