/* filtered ANSWER CALL [--user ID] COMMAND...: runs a command under a seccomp filter that answers one call
   so. ANSWER: kill, or the errno's number. CALL: a name from the table. For the tests of keepwarm doctor. */
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SKIPPED = 77, ARGUMENT_SIZE = 8 };

static const struct denied {
    const char *name;
    unsigned call;
    int argument;   /* the one that is looked at; -1: none, all calls are meant */
    unsigned value; /* what it must be, in its lower half */
} calls[] = {
    {"pagemap_scan", SYS_ioctl, 1, (unsigned)_IOC(_IOC_READ | _IOC_WRITE, 'f', 16, 96)},
    {"procmap_query", SYS_ioctl, 1, (unsigned)_IOC(_IOC_READ | _IOC_WRITE, 'f', 17, 104)},
    {"msync", SYS_msync, -1, 0},
    {"wipeonfork", SYS_madvise, 2, 18},
    {"process_madvise", SYS_process_madvise, -1, 0},
    {"own_vector", SYS_process_madvise, 0, (unsigned)-10000},
    {"rename", SYS_rename, -1, 0},
    {"getcpu", SYS_getcpu, -1, 0},
};

static int install(const struct denied *denied, unsigned action)
{
    unsigned argument =
        denied->argument < 0
            ? offsetof(struct seccomp_data, nr)
            : (unsigned)(offsetof(struct seccomp_data, args) + (size_t)denied->argument * ARGUMENT_SIZE);
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied->call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied->argument < 0 ? denied->call : denied->value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof steps / sizeof *steps, steps};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int become(const char *user)
{
    unsigned id = (unsigned)strtoul(user, NULL, 10);
    return setgroups(0, NULL) || setgid(id) || setuid(id);
}

static const struct denied *find(const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(name, calls[i].name) == 0)
            return &calls[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const struct denied *denied = argc > 3 ? find(argv[2]) : NULL;
    bool as_user = argc > 5 && strcmp(argv[3], "--user") == 0;
    char **command = argv + (as_user ? 5 : 3);
    if (!denied || (as_user && become(argv[4]))) {
        fprintf(stderr, "filtered: bad arguments\n");
        return 125;
    }
    bool kill = strcmp(argv[1], "kill") == 0;
    if (install(denied, kill ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | (unsigned)atoi(argv[1]))) {
        perror("filtered: seccomp");
        return SKIPPED;
    }
    execvp(command[0], command);
    perror(command[0]);
    return 127;
}
