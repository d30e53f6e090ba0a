/* The library's few descriptors are not there as far as the program can tell, and stay open. */
#include "test/places/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NUMBERS_MAX = 16 };

struct numbers {
    int fd[NUMBERS_MAX];
    unsigned count;
};

/* This program opens nothing itself: what is open above 2 when a case begins is the library's. */
static struct numbers find_numbers(void)
{
    struct numbers numbers = {.count = 0};
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return numbers;
    for (struct dirent *entry; (entry = readdir(directory));) {
        int fd = atoi(entry->d_name);
        if (fd > 2 && fd != dirfd(directory) && numbers.count < NUMBERS_MAX)
            numbers.fd[numbers.count++] = fd;
    }
    closedir(directory);
    return numbers;
}

/* pagemap, maps, zero and the live file; what tells of memory pressure, and a cgroup's two files. */
#define FIND(found)                                                                                          \
    struct numbers found = find_numbers();                                                                   \
    EXPECT(found.count >= 4 && found.count <= 7)

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static bool is_same_file(int a, int b)
{
    struct stat one, other;
    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static int closed_one_by_one(void)
{
    FIND(ours);
    for (unsigned i = 0; i < ours.count; i++) {
        errno = 0;
        EXPECT(close(ours.fd[i]) == -1 && errno == EBADF);
        EXPECT(syscall(SYS_close, ours.fd[i]) == -1 && errno == EBADF);
        EXPECT(is_served());
    }
    /* As a daemon does it. */
    for (int fd = 3; fd < 2000; fd++)
        close(fd);
    EXPECT(is_served());
    return CASE_PASSED;
}

static int closed_as_a_range(void)
{
    FIND(ours);
    int mine[2] = {fcntl(0, F_DUPFD, 3), fcntl(0, F_DUPFD, 1010)};
    EXPECT(mine[0] >= 0 && mine[1] >= 0);
    EXPECT(close_range(3, ~0U, 0) == 0);
    EXPECT(!is_open(mine[0]) && !is_open(mine[1]));
    EXPECT(is_served());
    mine[0] = fcntl(0, F_DUPFD, 3);
    EXPECT(syscall(SYS_close_range, 3, ~0U, 0) == 0 && !is_open(mine[0]));
    EXPECT(is_served());
    for (unsigned i = 0; i < ours.count; i++) {
        EXPECT(close_range((unsigned)ours.fd[i], (unsigned)ours.fd[i], 0) == 0);
        EXPECT(close_range((unsigned)ours.fd[i] - 1, (unsigned)ours.fd[i] + 1, CLOSE_RANGE_UNSHARE) == 0);
    }
    EXPECT(is_served());
    errno = 0;
    EXPECT(close_range(9, 3, 0) == -1 && errno == EINVAL);
    errno = 0;
    EXPECT(close_range(3, ~0U, 1 << 20) == -1 && errno == EINVAL);
    EXPECT(is_served());
    return CASE_PASSED;
}

static int close_on_exec_range(void)
{
    int mine = fcntl(0, F_DUPFD, 3), high = fcntl(0, F_DUPFD, 1010);
    EXPECT(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0);
    EXPECT(fcntl(mine, F_GETFD) == FD_CLOEXEC && fcntl(high, F_GETFD) == FD_CLOEXEC);
    EXPECT(is_served());
    return CASE_PASSED;
}

static int closed_from(void)
{
    int mine = fcntl(0, F_DUPFD, 3), high = fcntl(0, F_DUPFD, 1010);
    closefrom(3);
    EXPECT(!is_open(mine) && !is_open(high));
    EXPECT(is_served());
    return CASE_PASSED;
}

/* Every number is free for the program's use. */
static int taken_over(void)
{
    unsigned before = find_numbers().count;
    for (int way = 0; way < 4; way++) {
        FIND(ours);
        for (unsigned i = 0; i < ours.count; i++) {
            int fd = ours.fd[i], mine = open("/etc/passwd", O_RDONLY);
            char byte;
            int result = way == 0   ? dup2(mine, fd)
                         : way == 1 ? dup3(mine, fd, O_CLOEXEC)
                         : way == 2 ? (int)syscall(SYS_dup2, mine, fd)
                                    : (int)syscall(SYS_dup3, mine, fd, 0);
            EXPECT(result == fd);
            EXPECT(read(fd, &byte, 1) == 1);
            EXPECT(is_served());
            EXPECT(close(mine) == 0);
            EXPECT(close(fd) == 0 && !is_open(fd));
            EXPECT(is_served());
        }
    }
    EXPECT(find_numbers().count == before);
    return CASE_PASSED;
}

static int copied_from(void)
{
    FIND(ours);
    for (unsigned i = 0; i < ours.count; i++) {
        errno = 0;
        EXPECT(dup2(ours.fd[i], 700) == -1 && errno == EBADF);
        errno = 0;
        EXPECT(dup3(ours.fd[i], 700, 0) == -1 && errno == EBADF);
        errno = 0;
        EXPECT(syscall(SYS_dup2, ours.fd[i], 700) == -1 && errno == EBADF);
    }
    EXPECT(!is_open(700));
    return CASE_PASSED;
}

/* The kernel looks at dup3's numbers and flags before it looks whether the first is open. */
static int dup3_of_one_number(void)
{
    FIND(ours);
    errno = 0;
    EXPECT(dup3(ours.fd[0], ours.fd[0], 0) == -1 && errno == EINVAL);
    errno = 0;
    EXPECT(dup3(ours.fd[0], 700, 1) == -1 && errno == EINVAL);
    return CASE_PASSED;
}

/* A dup2 that fails changes nothing. */
static int failed_takeover(void)
{
    FIND(ours);
    for (unsigned i = 0; i < ours.count; i++)
        EXPECT(dup2(899, ours.fd[i]) == -1 && errno == EBADF);
    EXPECT(is_served());
    EXPECT(find_numbers().count == ours.count);
    return CASE_PASSED;
}

/* What subprocess libraries do between vfork and exec: in a table of its own, but in the parent's memory. */
static int vfork_child(void)
{
    FIND(ours);
    int status;
    pid_t pid = vfork();
    if (pid == 0) {
        for (unsigned i = 0; i < ours.count; i++)
            dup2(0, ours.fd[i]);
        close_range(3, ~0U, 0);
        closefrom(3);
        for (unsigned i = 0; i < ours.count; i++)
            close(ours.fd[i]);
        _exit(0);
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    EXPECT(is_served());
    struct numbers after = find_numbers();
    EXPECT(memcmp(&ours, &after, sizeof ours) == 0);
    return CASE_PASSED;
}

/* A reset in the child itself, on descriptors that are something else there: neither is the child's file
   written to, nor does the parent lose anything. */
static int vfork_child_that_resets(void)
{
    FIND(ours);
    int mine = memfd_create("mine", MFD_CLOEXEC);
    struct stat file;
    unsigned char *memory = dirty_memory(8 * PLACE_PAGE);
    int status;
    pid_t pid = vfork();
    if (pid == 0) {
        for (unsigned i = 0; i < ours.count; i++)
            dup2(mine, ours.fd[i]);
        _exit(madvise(memory, 8 * PLACE_PAGE, MADV_DONTNEED) != 0);
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    EXPECT(is_zero(memory, 8 * PLACE_PAGE));
    EXPECT(fstat(mine, &file) == 0 && file.st_size == 0);
    EXPECT(is_served());
    return CASE_PASSED;
}

/* The child puts a descriptor of its own at such a number before its first call. */
static int fork_child_keeps_its_own(void)
{
    FIND(ours);
    EXPECT(is_served());
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        int missing = 0, mine = memfd_create("mine", MFD_CLOEXEC);
        unsigned char *memory =
            mmap(NULL, PLACE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (unsigned i = 0; i < ours.count; i++)
            dup2(mine, ours.fd[i]);
        memory[0] = 1;
        if (madvise(memory, PLACE_PAGE, MADV_DONTNEED) || memory[0])
            _exit(1);
        for (unsigned i = 0; i < ours.count; i++)
            missing += !is_same_file(ours.fd[i], mine);
        _exit(missing ? 2 : is_served() ? 0 : 3);
    }
    EXPECT(waitpid(pid, &status, 0) == pid);
    EXPECT(WEXITSTATUS(status) != 2);
    EXPECT(status == 0);
    EXPECT(is_served());
    return CASE_PASSED;
}

static int fork_child_is_served(void)
{
    int status;
    EXPECT(is_served() && is_served());
    pid_t pid = fork();
    if (pid == 0) {
        bool own = is_served() && counter("served") == 1;
        _exit(!own);
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    EXPECT(counter("served") == 2 && counter_of(pid, "served") == 1);
    /* By a raw clone, which no atfork handler sees. */
    pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        syscall(SYS_exit_group, is_served() ? 0 : 1);
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    return CASE_PASSED;
}

/* No room for another descriptor: a fork child, which must open its own, forwards. */
static int no_room_in_a_child(void)
{
    int status;
    EXPECT(is_served());
    pid_t pid = fork();
    if (pid == 0) {
        while (open("/dev/null", O_RDONLY) >= 0)
            continue;
        for (int i = 0; i < 3; i++) {
            unsigned char *memory = dirty_memory(8 * PLACE_PAGE);
            if (madvise(memory, 8 * PLACE_PAGE, MADV_DONTNEED) || !is_zero(memory, 8 * PLACE_PAGE))
                _exit(1);
        }
        _exit(0);
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    return CASE_PASSED;
}

int main(int argc, char **argv)
{
    static const struct place_case cases[] = {
        {"closed_one_by_one", NULL, NULL, closed_one_by_one},
        {"closed_as_a_range", NULL, NULL, closed_as_a_range},
        {"close_on_exec_range", NULL, NULL, close_on_exec_range},
        {"closed_from", NULL, NULL, closed_from},
        {"taken_over", NULL, NULL, taken_over},
        {"copied_from", NULL, NULL, copied_from},
        {"dup3_of_one_number", NULL, NULL, dup3_of_one_number},
        {"failed_takeover", NULL, NULL, failed_takeover},
        {"vfork_child", NULL, NULL, vfork_child},
        {"vfork_child_that_resets", NULL, NULL, vfork_child_that_resets},
        {"fork_child_keeps_its_own", NULL, NULL, fork_child_keeps_its_own},
        {"fork_child_is_served", NULL, NULL, fork_child_is_served},
        {"no_room_in_a_child", NULL, NULL, no_room_in_a_child},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
