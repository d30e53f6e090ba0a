/* Sites that change while threads pass them. A program of its own: a test framework's threads would count. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hooks/proc_text.h"
#include "test/unit/patched.h"

#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

static atomic_bool stop;
static atomic_ulong passed, odd, started;

/* Declined: EINVAL from the kernel; served: 5. Anything else, or a crash, is a torn site. */
static void *pass(void *argument)
{
    long (*site)(void *, unsigned long, long) = argument ? site_long : site_short;
    atomic_fetch_add(&started, 1);
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
    enum site_reason reason = patch_site(p->mov, p->expected, &p->site, p->thunk, how);
    if (reason != SITE_patchable)
        printf("(%s)\n", site_reason_name(reason));
    return reason;
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
    while (atomic_load(&started) < 4) /* until then they block all signals */
        usleep(1000);
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

/* A kernel that refuses writes through /proc/self/mem: seccomp stands in for it. */
static void without_proc_mem(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwrite64, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    int before = proc_protection((void *)site_short, 8);
    MUST(before == (PROT_READ | PROT_EXEC));
    while_threads_pass();
    MUST(proc_protection((void *)site_short, 8) == before);
    MUST(proc_protection((void *)site_long, 8) == before);
}

/* A site whose memory may not become writable either is left alone. */
static void without_any_way_to_write(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwrite64, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    struct patched p = prepare((void *)site_short, 8);
    struct thunk_block block;
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    MUST(put(&p, PATCH_QUIET) == SITE_unwritable);
    MUST(put(&p, PATCH_LIVE) == SITE_unwritable);
    MUST(memcmp(p.mov, p.expected, 7) == 0 && site_short((void *)1, 4096, 4) == -EINVAL);
    MUST(thunk_block_open(&block, p.mov, p.mov + 7, 1) == SITE_patchable);
    MUST(thunk_block_seal(&block) == SITE_no_thunk && block.memory == NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
    int signal; /* that must end it */
} tests[] = {
    {"while_threads_pass", while_threads_pass, 0},
    {"without_proc_mem", without_proc_mem, 0},
    {"without_any_way_to_write", without_any_way_to_write, 0},
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
