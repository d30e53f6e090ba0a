#include "scan/files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "scan/prim.h"

/* High, but under the soft limit and under FD_SETSIZE: a number of a million would make the kernel allocate
   a descriptor table to match. */
static int high_number(void)
{
    struct rlimit limit = {1024, 1024};
    prim_call6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0, 0);
    rlim_t top = limit.rlim_cur < 1024 ? limit.rlim_cur : 1024;
    return (int)(top >= 64 ? top - 32 : top / 2);
}

int scan_file_raise(int fd)
{
    long raised = prim_fcntl(fd, F_DUPFD_CLOEXEC, high_number());
    if (prim_failed(raised))
        return fd;
    prim_close(fd);
    return (int)raised;
}

int scan_file_open(const char *path)
{
    long fd = prim_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
    return prim_failed(fd) ? (int)fd : scan_file_raise((int)fd);
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        prim_close(*fd);
    *fd = -1;
}

/* In a chroot anything may be called /dev/zero. */
static bool is_zero_device(int fd)
{
    struct stat status;
    return prim_fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 5);
}

int scan_files_open(struct scan_files *files)
{
    *files = (struct scan_files){scan_file_open("/proc/self/pagemap"), scan_file_open("/proc/self/maps"), -1};
    int error = files->pagemap < 0 ? files->pagemap : files->maps < 0 ? files->maps : 0;
    if (error) {
        scan_files_close(files);
        return error;
    }
    files->zero = scan_file_open("/dev/zero");
    if (files->zero >= 0 && !is_zero_device(files->zero))
        close_one(&files->zero);
    if (files->zero < 0)
        files->zero = -1;
    return 0;
}

void scan_files_close(struct scan_files *files)
{
    close_one(&files->pagemap);
    close_one(&files->maps);
    close_one(&files->zero);
}
