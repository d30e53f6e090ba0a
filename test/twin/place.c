/* See place.h. */
#include "place.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compare.h"
#include "groups.h"
#include "ops.h"

static const char *const texts[PLACE_COUNT] = {
#define PLACE(name, text) text,
    PLACES(PLACE)
#undef PLACE
};

const char *place_name(int place)
{
    static char names[PLACE_COUNT][32] = {
#define PLACE(name, text) #name,
        PLACES(PLACE)
#undef PLACE
    };
    for (char *at = names[place]; *at; at++)
        if (*at == '_')
            *at = '-';
    return names[place];
}

const char *place_text(int place)
{
    return texts[place];
}

int place_find(const char *name)
{
    for (int i = 0; i < PLACE_COUNT; i++)
        if (strcmp(place_name(i), name) == 0)
            return i;
    return -1;
}

const char *place_lack(int place, unsigned long machine)
{
    bool root = machine >> HAS_ROOT & 1;
    if (!root && (place == PLACE_chroot || place == PLACE_setuid || place == PLACE_locked))
        return "only root can set it up";
    return NULL;
}

void place_options(int place, unsigned long episode, const char *folder, char *text, unsigned long room)
{
    text[0] = 0;
    if (place == PLACE_live_truncated)
        snprintf(text, room, ",live=%s/live-%lu", folder, episode);
    else if (place == PLACE_stderr_closed)
        snprintf(text, room, ",log=debug");
}

/* For one ioctl command the given action; everything else is allowed. */
static void install_filter(unsigned command, unsigned action, bool by_number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, command, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    long failed = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (by_number)
        failed |= syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    else
        failed |= prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    if (failed) {
        static const char text[] = "twin: cannot install a seccomp filter\n";
        (void)!write(2, text, sizeof text - 1);
        _exit(1);
    }
}

static void hide_proc(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/proc", "tmpfs", 0, NULL) != 0) {
        fprintf(stderr, "twin: cannot hide /proc\n");
        _exit(1);
    }
}

static void close_stderr(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        _exit(1);
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
}

void place_before_exec(int place, unsigned long episode)
{
    switch (place) {
    case PLACE_seccomp_errno:
        install_filter((unsigned)IOCTL_PAGEMAP_SCAN, SECCOMP_RET_ERRNO | 1 /* EPERM */, false);
        break;
    case PLACE_seccomp_kill:
        install_filter((unsigned)IOCTL_PAGEMAP_SCAN, SECCOMP_RET_KILL_PROCESS, false);
        break;
    case PLACE_no_procmap:
        install_filter((unsigned)IOCTL_PROCMAP_QUERY, SECCOMP_RET_ERRNO | 25 /* ENOTTY */, false);
        break;
    case PLACE_chroot:
        if (episode % 2)
            hide_proc();
        break;
    case PLACE_stderr_closed:
        close_stderr();
        break;
    case PLACE_emfile:
        setenv("TWIN_EARLY", "emfile", 1);
        break;
    default:
        break;
    }
}

void place_start(void)
{
    /* Kernel and filter agree on what kills; the test itself must not ask. */
    if (world.place == PLACE_seccomp_kill || world.place == PLACE_seccomp_late)
        world.survey = false;
    if (world.place == PLACE_emfile && world.episode % 2) {
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void enter_chroot(void)
{
    if (chroot(world.folder) != 0 || chdir("/") != 0)
        fail("cannot chroot to %s", world.folder);
    world.folder = "";
    for (unsigned i = 0; i < world.pair_count; i++) /* these names no longer lead anywhere */
        world.pairs[i].image.path[0] = 0;
}

static void drop_privileges(void)
{
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
        fail("cannot drop privileges");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        fail("cannot become undumpable");
}

/* The library maps this file; shorter than the mapping, a store to it is a SIGBUS. */
static void cut_live_file(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/live-%lu", world.folder, world.episode);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return;
    if (ftruncate(file, chance(70) ? 0 : 100) == 0 && chance(20))
        (void)!pwrite(file, "garbage", 7, 0);
    close(file);
    if (chance(5))
        unlink(path);
}

void place_step(void)
{
    unsigned long step = world.step, total = world.group->steps;
    switch (world.place) {
    case PLACE_seccomp_late:
        if (step == total / 3) {
            note("install a filter that kills for PAGEMAP_SCAN");
            install_filter((unsigned)IOCTL_PAGEMAP_SCAN, SECCOMP_RET_KILL_PROCESS, world.episode % 2);
        }
        break;
    case PLACE_chroot:
        if (step == total / 3 && world.episode % 2 == 0) {
            note("chroot");
            enter_chroot();
        }
        break;
    case PLACE_setuid:
        if (step == total / 4) {
            note("drop privileges");
            drop_privileges();
        }
        break;
    case PLACE_locked:
        if (step == total / 4) {
            note("mlockall");
            mlockall(world.episode % 3 ? MCL_CURRENT | MCL_FUTURE : MCL_CURRENT);
        } else if (step == total * 3 / 4 && world.episode % 2) {
            note("munlockall");
            munlockall();
        }
        break;
    case PLACE_live_truncated:
        if (step % 7 == 3)
            cut_live_file();
        break;
    default:
        break;
    }
}
