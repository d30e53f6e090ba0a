/* Serving and forwarding in turns: by the switch in the live file, by mode=ab, by mode=coin. Whatever it is
   just now, every reset is right, and counted as what it was. */
#include "test/places/place.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PIDFD_SELF
#define PIDFD_SELF (-10000)
#endif

/* shim/live.h */
enum { SWITCH_OFFSET = 8192, PAIRS_OFFSET = 12288, PAIRS_BYTES = 4096 };

static int open_live(pid_t pid, int flags)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%d", getenv("PLACE_LIVE"), (int)pid);
    return open(path, flags | O_CLOEXEC);
}

static bool write_switch(char byte)
{
    int fd = open_live(getpid(), O_WRONLY);
    bool done = pwrite(fd, &byte, 1, SWITCH_OFFSET) == 1;
    close(fd);
    return done;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Dirties and resets memory until a counter is at least this; false after ten seconds, or a wrong reset. */
static bool reset_until(const char *name, uint64_t least)
{
    size_t length = 8 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length);
    double end = seconds_now() + 10;
    bool right = true;
    while (right && counter(name) < least && seconds_now() < end) {
        make_dirty(memory, length);
        right = madvise(memory, length, MADV_DONTNEED) == 0 && is_zero(memory, length);
    }
    munmap(memory, length);
    return right && counter(name) >= least;
}

/* ---- the switch ---- */

static int off_and_on(void)
{
    EXPECT(is_served());
    EXPECT(write_switch('0'));
    EXPECT(reset_until("declined.switched_off", 1));
    EXPECT(is_declined("switched_off") && is_declined("switched_off"));
    uint64_t served = counter("served");
    EXPECT(reset_until("declined.switched_off", 1000) && counter("served") == served);
    EXPECT(write_switch('1'));
    EXPECT(reset_until("served", served + 1));
    EXPECT(is_served() && is_served());
    EXPECT(counter("forwarded") == counter("declined.switched_off"));
    return CASE_PASSED;
}

/* The real call leaves nothing of what a reset kept; a shorter one leaves what lies behind its end. */
static int what_is_dropped_while_off_is_not_kept(void)
{
    enum { LENGTH = 8 * PLACE_PAGE };
    unsigned char *memory = dirty_memory(LENGTH);
    EXPECT(madvise(memory, LENGTH, MADV_DONTNEED) == 0 && kept_bytes() == LENGTH);
    EXPECT(write_switch('0') && reset_until("declined.switched_off", 1));
    EXPECT(kept_bytes() == LENGTH);
    EXPECT(madvise(memory + PLACE_PAGE, PLACE_PAGE, MADV_DONTNEED) == 0 && kept_bytes() == LENGTH);
    EXPECT(madvise(memory, LENGTH / 4 - 1, MADV_DONTNEED) == 0 && kept_bytes() == LENGTH * 3 / 4);
    struct iovec half = {memory, LENGTH / 2};
    if (syscall(SYS_process_madvise, PIDFD_SELF, &half, 1, MADV_DONTNEED, 0) > 0) /* Linux 6.14 */
        EXPECT(kept_bytes() == LENGTH / 2);
    EXPECT(madvise(memory, LENGTH, MADV_DONTNEED) == 0 && kept_bytes() == 0);
    return CASE_PASSED;
}

static int anything_else_is_on(void)
{
    for (const char *byte = "1x o\n"; *byte; byte++) {
        EXPECT(write_switch('0') &&
               reset_until("declined.switched_off", 1 + counter("declined.switched_off")));
        EXPECT(write_switch(*byte) && reset_until("served", 1 + counter("served")));
        EXPECT(is_served());
    }
    return CASE_PASSED;
}

static bool child_succeeds(pid_t pid)
{
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int a_child_starts_on(void)
{
    EXPECT(write_switch('0') && reset_until("declined.switched_off", 1));
    pid_t pid = fork();
    if (pid == 0) {
        madvise(NULL, 0, MADV_DONTNEED); /* its live file begins with its first call */
        _exit(!is_served() || !is_served());
    }
    EXPECT(child_succeeds(pid));
    EXPECT(is_declined("switched_off"));
    return CASE_PASSED;
}

static bool use_userfaultfd(void)
{
    long fd = syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);
    close((int)fd);
    return fd >= 0;
}

static int a_hazard_outlasts_the_switch(void)
{
    EXPECT(write_switch('0') && reset_until("declined.switched_off", 1));
    SKIP_UNLESS(use_userfaultfd(), "no userfaultfd here");
    EXPECT(is_declined("userfaultfd"));
    EXPECT(write_switch('1'));
    uint64_t served = counter("served");
    EXPECT(reset_until("declined.userfaultfd", 1000) && counter("served") == served);
    return CASE_PASSED;
}

/* ---- mode=ab ---- */

struct shown {
    unsigned pairs;
    unsigned long calls[2], ns[2], cpu_ns[2]; /* off, on */
};

/* What the live file says of the pairs so far; none before the first. */
static struct shown shown_pairs(void)
{
    char bytes[PAIRS_BYTES] = "";
    struct shown shown = {0};
    int fd = open_live(getpid(), O_RDONLY);
    if (pread(fd, bytes, sizeof bytes - 1, PAIRS_OFFSET) > 0)
        sscanf(bytes, "{\"pairs\": %u, \"off\": {\"calls\": %lu, \"ns\": %lu, \"cpu_ns\": %lu", &shown.pairs,
               &shown.calls[0], &shown.ns[0], &shown.cpu_ns[0]);
    const char *on = strstr(bytes, "\"on\": ");
    if (on)
        sscanf(on, "\"on\": {\"calls\": %lu, \"ns\": %lu, \"cpu_ns\": %lu", &shown.calls[1], &shown.ns[1],
               &shown.cpu_ns[1]);
    close(fd);
    return shown;
}

static bool reset_until_pairs(unsigned least)
{
    double end = seconds_now() + 12;
    while (shown_pairs().pairs < least && seconds_now() < end)
        if (!reset_until("served", counter("served") + 1))
            return false;
    return shown_pairs().pairs >= least;
}

static int both_arms_in_turns(void)
{
    double start = seconds_now();
    EXPECT(reset_until_pairs(8));
    struct shown shown = shown_pairs();
    double ns = (seconds_now() - start) * 1e9;
    EXPECT(shown.calls[0] > 0 && shown.calls[1] > 0);
    /* Each slice measures nine tenths of 20 ms, less a tick of the coarse clock (10 ms at most). */
    EXPECT(shown.ns[0] >= shown.pairs * 8000000UL && shown.ns[1] >= shown.pairs * 8000000UL);
    EXPECT((double)(shown.ns[0] + shown.ns[1]) <= ns);
    EXPECT(shown.cpu_ns[0] > 0 && shown.cpu_ns[0] <= shown.ns[0] * 11 / 10);
    EXPECT(shown.cpu_ns[1] > 0 && shown.cpu_ns[1] <= shown.ns[1] * 11 / 10);
    /* The off arm serves none, and the on arm all: nothing else declines a call here. */
    EXPECT(shown.calls[1] <= counter("served"));
    EXPECT(shown.calls[0] <= counter("declined.off_arm"));
    EXPECT(counter("forwarded") == counter("declined.off_arm"));
    return CASE_PASSED;
}

/* A slice in which the switch was moved is no slice of one arm. */
static int the_switch_stops_the_turns(void)
{
    EXPECT(reset_until_pairs(1));
    EXPECT(write_switch('0') && reset_until("declined.switched_off", 1));
    unsigned pairs = shown_pairs().pairs;
    uint64_t served = counter("served");
    for (double end = seconds_now() + 0.3; seconds_now() < end;)
        EXPECT(is_declined("switched_off"));
    EXPECT(shown_pairs().pairs == pairs && counter("served") == served);
    EXPECT(write_switch('1') && reset_until_pairs(pairs + 2));
    return CASE_PASSED;
}

static bool reset_for(double seconds)
{
    size_t length = 8 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length);
    bool right = true;
    for (double end = seconds_now() + seconds; right && seconds_now() < end;) {
        make_dirty(memory, length);
        right = madvise(memory, length, MADV_DONTNEED) == 0 && is_zero(memory, length);
    }
    munmap(memory, length);
    return right;
}

/* Off and on again, every 40 ms, in each slice of 60: none of them is of one arm to its end. */
static int a_slice_that_was_switched_is_dropped(void)
{
    for (double end = seconds_now() + 2; seconds_now() < end;) {
        EXPECT(write_switch('0') &&
               reset_until("declined.switched_off", counter("declined.switched_off") + 1));
        EXPECT(write_switch('1') && reset_for(0.03));
    }
    EXPECT(shown_pairs().pairs == 0 && counter("served") > 0 && counter("declined.off_arm") > 0);
    EXPECT(reset_until_pairs(1));
    return CASE_PASSED;
}

static int a_hazard_ends_the_turns(void)
{
    EXPECT(reset_until_pairs(1));
    SKIP_UNLESS(use_userfaultfd(), "no userfaultfd here");
    unsigned pairs = shown_pairs().pairs;
    for (double end = seconds_now() + 0.3; seconds_now() < end;)
        EXPECT(is_declined("userfaultfd"));
    EXPECT(shown_pairs().pairs == pairs);
    return CASE_PASSED;
}

static atomic_bool stop;

static void *reset_meanwhile(void *wrong)
{
    size_t length = 8 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length);
    while (!stop) {
        make_dirty(memory, length);
        if (madvise(memory, length, MADV_DONTNEED) || !is_zero(memory, length))
            atomic_store((atomic_bool *)wrong, true);
    }
    return NULL;
}

/* Forks at any moment, in the middle of another thread's slice end too: each child counts and turns anew. */
static int children_turn_on_their_own(void)
{
    pthread_t threads[4];
    static atomic_bool wrong;
    for (int i = 0; i < 4; i++)
        EXPECT(pthread_create(&threads[i], NULL, reset_meanwhile, &wrong) == 0);
    for (int round = 0; round < 12; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            madvise(NULL, 0, MADV_DONTNEED);
            _exit(shown_pairs().pairs != 0 || !reset_until_pairs(1) || shown_pairs().pairs > 2);
        }
        EXPECT(child_succeeds(pid));
    }
    stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    EXPECT(!wrong && shown_pairs().pairs > 0);
    return CASE_PASSED;
}

/* A vfork child has our memory and another CPU clock: it must not end a slice of ours. */
static int a_vfork_child_ends_no_slice(void)
{
    EXPECT(reset_until_pairs(1));
    struct shown before = shown_pairs();
    size_t length = 8 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length);
    pid_t pid = vfork();
    if (pid == 0) {
        for (double end = seconds_now() + 0.3; seconds_now() < end;)
            if (madvise(memory, length, MADV_DONTNEED))
                _exit(1);
        _exit(0);
    }
    EXPECT(child_succeeds(pid));
    EXPECT(shown_pairs().pairs == before.pairs);
    EXPECT(reset_until_pairs(before.pairs + 2));
    return CASE_PASSED;
}

/* ---- mode=coin ---- */

static int tails(void)
{
    for (int i = 0; i < 20; i++)
        EXPECT(is_declined("off_arm"));
    EXPECT(counter("served") == 0);
    return CASE_PASSED;
}

static int heads(void)
{
    for (int i = 0; i < 20; i++)
        EXPECT(is_served());
    EXPECT(counter("declined.off_arm") == 0);
    return CASE_PASSED;
}

/* 64 children all alike: once in 2^63 runs. */
static int children_toss_their_own(void)
{
    bool seen[2] = {false, false};
    for (int i = 0; i < 64; i++) {
        pid_t pid = fork();
        int status;
        if (pid == 0) {
            madvise(NULL, 0, MADV_DONTNEED); /* with this one it tosses */
            bool on = counter("declined.off_arm") == 0;
            for (int j = 0; j < 10; j++)
                if (!(on ? is_served() : is_declined("off_arm")))
                    _exit(2);
            _exit(on);
        }
        EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) < 2);
        seen[WEXITSTATUS(status)] = true;
    }
    EXPECT(seen[0] && seen[1]);
    return CASE_PASSED;
}

/* A vector counts for as many calls in the arm that forwards it whole as in the one that serves its ranges.
 */
static int vectors_count_alike(void)
{
    enum { RANGES = 5 };
    unsigned char *memory = dirty_memory(RANGES * 2 * PLACE_PAGE);
    struct iovec range[RANGES];
    for (int i = 0; i < RANGES; i++)
        range[i] = (struct iovec){memory + (size_t)i * 2 * PLACE_PAGE, PLACE_PAGE};
    long first = syscall(SYS_process_madvise, PIDFD_SELF, range, RANGES, MADV_DONTNEED, 0);
    SKIP_UNLESS(first == RANGES * PLACE_PAGE, "this kernel has no DONTNEED on PIDFD_SELF");
    uint64_t before = counter("served") + counter("forwarded");
    EXPECT(syscall(SYS_process_madvise, -10000, range, RANGES, MADV_DONTNEED, 0) == first);
    EXPECT(counter("served") + counter("forwarded") == before + RANGES);
    return CASE_PASSED;
}

static const struct place_case cases[] = {
    {"off_and_on", NULL, NULL, off_and_on},
    {"what_is_dropped_while_off_is_not_kept", NULL, NULL, what_is_dropped_while_off_is_not_kept},
    {"anything_else_is_on", NULL, NULL, anything_else_is_on},
    {"a_child_starts_on", NULL, NULL, a_child_starts_on},
    {"a_hazard_outlasts_the_switch", NULL, NULL, a_hazard_outlasts_the_switch},
    {"both_arms_in_turns", NULL, "mode=ab=20ms", both_arms_in_turns},
    {"the_switch_stops_the_turns", NULL, "mode=ab=20ms", the_switch_stops_the_turns},
    {"a_slice_that_was_switched_is_dropped", NULL, "mode=ab=60ms", a_slice_that_was_switched_is_dropped},
    {"a_hazard_ends_the_turns", NULL, "mode=ab=20ms", a_hazard_ends_the_turns},
    {"children_turn_on_their_own", NULL, "mode=ab=20ms", children_turn_on_their_own},
    {"a_vfork_child_ends_no_slice", NULL, "mode=ab=20ms", a_vfork_child_ends_no_slice},
    {"tails", NULL, "mode=coin=0", tails},
    {"heads", NULL, "mode=coin=1", heads},
    {"children_toss_their_own", NULL, "mode=coin=0.5", children_toss_their_own},
    {"vectors_count_alike_when_on", NULL, "mode=coin=1", vectors_count_alike},
    {"vectors_count_alike_when_off", NULL, "mode=coin=0", vectors_count_alike},
};

int main(int argc, char **argv)
{
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
