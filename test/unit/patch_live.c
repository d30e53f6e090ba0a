/* Sites that change while threads pass them. A program of its own: a test framework's threads would count. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/unit/patched.h"

#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

static atomic_bool stop;
static atomic_ulong passed, odd;

/* Declined: EINVAL from the kernel; served: 5. Anything else, or a crash, is a torn site. */
static void *pass(void *argument)
{
    long (*site)(void *, unsigned long, long) = argument ? site_long : site_short;
    while (!atomic_load(&stop)) {
        long result = site((void *)1, 4096, 4);
        if (result != 5 && result != -EINVAL)
            atomic_fetch_add(&odd, 1);
        atomic_fetch_add_explicit(&passed, 1, memory_order_relaxed);
    }
    return NULL;
}

static enum site_reason put(struct patched *p, enum patch_how how)
{
    return patch_site(p->mov, p->expected, &p->site, p->thunk, how);
}

static void while_threads_pass(void)
{
    struct patched p[2] = {prepare((void *)site_short, 8), prepare((void *)site_long, 11)};
    pthread_t threads[4];
    decision = SERVE;
    decision_result = 5;
    MUST(patch_how_now() == PATCH_QUIET);
    for (uintptr_t i = 0; i < 4; i++)
        MUST(pthread_create(&threads[i], NULL, pass, (void *)(i & 1)) == 0);
    MUST(patch_how_now() == PATCH_LIVE);
    unsigned changes = 0;
    for (time_t end = time(NULL) + 4; time(NULL) < end; changes++) {
        struct patched *q = &p[changes & 1];
        MUST(put(q, PATCH_LIVE) == SITE_patchable);
        MUST(patch_undo(q->mov, q->expected, &q->site, q->thunk, PATCH_LIVE) == SITE_patchable);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("%u changes, %lu calls, %lu of them decided\n", changes, atomic_load(&passed), decisions);
    MUST(atomic_load(&odd) == 0 && decisions > 0);
}

static void *block_and_wait(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    atomic_store(&passed, 1);
    while (!atomic_load(&stop))
        usleep(1000);
    return unused;
}

static void not_where_a_thread_blocks_the_trap(void)
{
    struct patched p = prepare((void *)site_short, 8);
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, block_and_wait, NULL) == 0);
    while (!atomic_load(&passed))
        usleep(1000);
    MUST(put(&p, PATCH_LIVE) == SITE_trap_blocked);
    MUST(memcmp(p.mov, p.expected, 7) == 0);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    MUST(put(&p, PATCH_LIVE) == SITE_patchable);
}

static volatile sig_atomic_t host_traps;

static void host_trap(int number)
{
    (void)number;
    host_traps++;
}

static void the_hosts_own_traps_stay_its(void)
{
    struct patched p = prepare((void *)site_short, 8);
    signal(SIGTRAP, host_trap);
    MUST(put(&p, PATCH_LIVE) == SITE_patchable);
    __asm__ volatile("int3");
    raise(SIGTRAP);
    MUST(host_traps == 2);
}

static void a_trap_nobody_wanted_still_kills(void)
{
    struct patched p = prepare((void *)site_short, 8);
    MUST(put(&p, PATCH_LIVE) == SITE_patchable);
    __asm__ volatile("int3");
}

static const struct {
    const char *name;
    void (*run)(void);
    int signal; /* that must end it */
} tests[] = {
    {"while_threads_pass", while_threads_pass, 0},
    {"not_where_a_thread_blocks_the_trap", not_where_a_thread_blocks_the_trap, 0},
    {"the_hosts_own_traps_stay_its", the_hosts_own_traps_stay_its, 0},
    {"a_trap_nobody_wanted_still_kills", a_trap_nobody_wanted_still_kills, SIGTRAP},
};

static void mark(void)
{
    __asm__ volatile("");
}

/* For stub-gdb: one call through a patched site, with a function to stop at. */
static int once(void)
{
    struct patched p = prepare((void *)site_short, 8);
    decision = CALL_BACK;
    decision_call_back = mark;
    MUST(put(&p, PATCH_QUIET) == SITE_patchable);
    return (int)site_short(NULL, 0, 4);
}

int main(int argc, char **argv)
{
    int failures = 0;
    (void)argv;
    if (argc > 1)
        return once();
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            tests[i].run();
            exit(0);
        }
        MUST(child > 0 && waitpid(child, &status, 0) == child);
        bool good =
            tests[i].signal ? WIFSIGNALED(status) && WTERMSIG(status) == tests[i].signal : status == 0;
        printf("%s: %s\n", good ? "ok" : "FAIL", tests[i].name);
        fflush(stdout);
        failures += !good;
    }
    return failures != 0;
}
