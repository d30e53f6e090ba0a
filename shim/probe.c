#include "shim/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "scan/pagemap.h"
#include "scan/prim.h"
#include "scan/vma.h"
#include "shim/quiet.h"

static char page[PAGE] __attribute__((aligned(PAGE)));

static struct probe_result failure(enum reason reason, const char *why)
{
    return (struct probe_result){reason, why, false};
}

int probe_scan(const struct scan_files *files)
{
    page[0] = 1;
    int found = pagemap_look(files->pagemap, (uintptr_t)page);
    return found < 0 ? found : found == 1 ? 0 : -EIO;
}

int probe_query(const struct scan_files *files)
{
    struct vma vma;
    return vma_query(files->maps, (uintptr_t)page, &vma);
}

int probe_locks(void)
{
    return vma_check_unlocked((uintptr_t)page, PAGE);
}

static struct probe_result try_calls(struct scan_files *files, bool filtered)
{
    enum reason denied = filtered ? REASON_seccomp : REASON_no_pagemap;
    if (scan_files_open(files) != 0)
        return failure(denied, "/proc/self/pagemap or /proc/self/maps cannot be opened");
    int error = probe_scan(files);
    if (error == -ENOTTY)
        return failure(REASON_no_pagemap, "this kernel has no PAGEMAP_SCAN (Linux 6.7 has)");
    if (error)
        return failure(denied, "PAGEMAP_SCAN is denied");
    struct vma vma;
    error = probe_query(files);
    bool readable = !error || vma_read(files->maps, (uintptr_t)page, &vma, NULL, 0) == 0;
    if ((error && error != -ENOTTY) || !readable)
        return failure(filtered ? REASON_seccomp : REASON_no_maps, "PROCMAP_QUERY is denied");
    if (error && files->zero < 0)
        return failure(REASON_no_maps, "this kernel has no PROCMAP_QUERY (Linux 6.11 has), and no /dev/zero");
    if (probe_locks() == -EPERM)
        return failure(REASON_seccomp, "msync is denied");
    return (struct probe_result){REASON_COUNT, "", !error};
}

/* From /proc/self/status: prctl(PR_GET_SECCOMP) may itself be what kills. */
bool probe_is_filtered(void)
{
    static const char key[] = "\nSeccomp:\t";
    static char bytes[4096];
    long fd = prim_open("/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
    if (prim_failed(fd))
        return false;
    long length = prim_read((int)fd, bytes, sizeof bytes - 1);
    prim_close((int)fd);
    bytes[length > 0 ? length : 0] = 0;
    const char *line = __builtin_strstr(bytes, key);
    return line && line[sizeof key - 1] != '0';
}

/* What a reset calls, beyond those of try_calls. */
int probe_resets(void)
{
    struct scan_files files;
    struct iovec word = {page, 8};
    if (try_calls(&files, true).reason == REASON_COUNT)
        prim_pread(files.zero, page, 0, 0);
    prim_copy_safely(&word, &word, 1);
    prim_madvise(0, 0, ADVICE_DONTNEED);
    prim_madvise(0, 0, MADV_FREE);
    prim_call3(SYS_getdents64, -1, (long)page, 0);
    prim_call3(SYS_fstatfs, -1, (long)page, 0);
    prim_call6(SYS_mremap, 1, 0, 0, 0, 0, 0);
    prim_munmap(1, 0);
    return 0;
}

/* What start-up, statistics, live file and messages call. */
int probe_files(void)
{
    struct stat status;
    struct quiet quiet;
    const struct timespec at_once = {0, 0};
    uint64_t none = 0;
    quiet_begin(&quiet);
    quiet_end(&quiet);
    prim_call6(SYS_rt_sigtimedwait, (long)&none, 0, (long)&at_once, sizeof none, 0, 0);
    prim_restore_signals(prim_block_signals());
    prim_getpid();
    prim_fcntl(-1, F_GETFD, 0);
    prim_fstat(-1, &status);
    prim_call6(SYS_newfstatat, -1, (long)"", (long)&status, 0, 0, 0);
    prim_call3(SYS_readlink, (long)"", (long)page, 0);
    prim_write(-1, page, 0);
    prim_pwrite(-1, page, 0, 0);
    prim_pread(-1, page, 0, 0);
    prim_cpu_now();
    prim_call3(SYS_rename, (long)"", (long)"", 0);
    prim_call3(SYS_unlink, (long)"", 0, 0);
    prim_call6(SYS_fallocate, -1, 0, 0, 1, 0, 0);
    return 0;
}

/* The child raises no SIGCHLD, and leaves no core: a limit of 1 stops the handlers that a limit of 0 does not
   (fs/coredump.c), and PR_SET_DUMPABLE would take /proc/self from an unprivileged child, who then tries
   nothing. */
int probe_in_child(probe_part *part)
{
    const struct rlimit no_core = {1, 1};
    int status = -1;
    long pid = prim_call6(SYS_clone, 0, 0, 0, 0, 0, 0);
    if (pid == 0) {
        prim_call6(SYS_prlimit64, 0, RLIMIT_CORE, (long)&no_core, 0, 0, 0);
        prim_call3(SYS_exit_group, part(), 0, 0);
    }
    if (prim_failed(pid))
        return PROBE_KILLED;
    long waited;
    do
        waited = prim_call6(SYS_wait4, pid, (long)&status, __WALL, 0, 0, 0);
    while (waited == -EINTR);
    return waited == pid && WIFEXITED(status) ? WEXITSTATUS(status) : PROBE_KILLED;
}

struct probe_result probe_kernel(struct scan_files *files, bool filtered)
{
    struct probe_result found = try_calls(files, filtered);
    if (found.reason != REASON_COUNT)
        scan_files_close(files);
    return found;
}
