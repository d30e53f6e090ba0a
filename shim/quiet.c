#include "shim/quiet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "scan/prim.h"
#include "shim/text.h"

static const uint64_t raised_by_writes = 1ULL << (SIGPIPE - 1) | 1ULL << (SIGXFSZ - 1);

static uint64_t pending_signals(void)
{
    uint64_t pending = 0;
    prim_call3(SYS_rt_sigpending, (long)&pending, sizeof pending, 0);
    return pending & raised_by_writes;
}

void quiet_begin(struct quiet *quiet)
{
    prim_call6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&raised_by_writes, (long)&quiet->blocked_before,
               sizeof(uint64_t), 0, 0);
    quiet->pending_before = pending_signals();
}

void quiet_end(const struct quiet *quiet)
{
    const struct timespec at_once = {0, 0};
    uint64_t ours = pending_signals() & ~quiet->pending_before;
    while (ours &&
           !prim_failed(prim_call6(SYS_rt_sigtimedwait, (long)&ours, 0, (long)&at_once, sizeof ours, 0, 0)))
        ours = pending_signals() & ~quiet->pending_before;
    prim_restore_signals(quiet->blocked_before);
}

static long may_replace(const char *path)
{
    struct stat status;
    long error = prim_call6(SYS_newfstatat, AT_FDCWD, (long)path, (long)&status, AT_SYMLINK_NOFOLLOW, 0, 0);
    return error == -ENOENT || (!error && S_ISREG(status.st_mode)) ? 0 : error ? error : -EEXIST;
}

long quiet_create_for(const char *path, int pid, char *temporary, size_t size)
{
    struct text name;
    long refused = may_replace(path);
    if (refused)
        return refused;
    text_start(&name, temporary, size);
    text_add(&name, path);
    text_add(&name, ".tmp.");
    text_add_number(&name, (uint64_t)pid);
    prim_call3(SYS_unlink, (long)temporary, 0, 0);
    return prim_open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0644);
}
