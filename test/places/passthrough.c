/* libc's syscall() under the library is still libc's: for calls that return twice, take six arguments, fail.
 */
#include "test/places/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int six_arguments(void)
{
    int fd = memfd_create("six", MFD_CLOEXEC);
    char page[PLACE_PAGE] = "first";
    EXPECT(write(fd, page, sizeof page) == PLACE_PAGE);
    strcpy(page, "second");
    EXPECT(write(fd, page, sizeof page) == PLACE_PAGE);
    /* The offset is the seventh argument of syscall(), and comes on the stack. */
    char *map = (char *)syscall(SYS_mmap, NULL, PLACE_PAGE, PROT_READ, MAP_SHARED, fd, (long)PLACE_PAGE);
    EXPECT(map != MAP_FAILED && strcmp(map, "second") == 0);
    EXPECT(syscall(SYS_munmap, map, PLACE_PAGE) == 0);
    /* One that the library does not look at. */
    char copy[16] = "";
    struct iovec to = {copy, sizeof copy}, from = {page, sizeof copy};
    EXPECT(syscall(SYS_process_vm_readv, getpid(), &to, 1L, &from, 1L, 1L) == -1 && errno == EINVAL);
    EXPECT(syscall(SYS_process_vm_readv, getpid(), &to, 1L, &from, 1L, 0L) == sizeof copy);
    EXPECT(strcmp(copy, "second") == 0);
    return CASE_PASSED;
}

static int errors(void)
{
    static const long unknown[] = {400, 511, 4000, -1};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        errno = 0;
        EXPECT(syscall(unknown[i], 0, 0, 0) == -1 && errno == ENOSYS);
    }
    errno = 0;
    EXPECT(syscall(SYS_close, -1) == -1 && errno == EBADF);
    EXPECT(syscall(SYS_read, -1, NULL, 0) == -1 && errno == EBADF);
    EXPECT(syscall(SYS_madvise, 1L, 4096L, MADV_DONTNEED) == -1 && errno == EINVAL);
    EXPECT(syscall(SYS_madvise, 0L, 4096L, MADV_DONTNEED) == -1 && errno == ENOMEM);
    errno = 77;
    EXPECT(syscall(SYS_getpid) == getpid() && errno == 77);
    EXPECT(syscall(SYS_close, dup(0)) == 0 && errno == 77);
    EXPECT(syscall(SYS_madvise, 0L, 0L, MADV_DONTNEED) == 0 && errno == 77);
    return CASE_PASSED;
}

/* libc's syscall() returns on a stack that the child shares, so the child must call nothing. */
static int vforks(void)
{
    volatile long untouched = 42;
    for (int i = 0; i < 100; i++) {
        int status;
        long pid = syscall(SYS_vfork);
        if (pid == 0)
            __asm__ volatile("syscall" : : "a"(SYS_exit), "D"(i) : "rcx", "r11", "memory");
        EXPECT(pid > 0 && waitpid((pid_t)pid, &status, 0) == pid);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == i);
    }
    EXPECT(untouched == 42);
    EXPECT(is_served());
    return CASE_PASSED;
}

static int clones(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    int status, parent_tid = 0;
    long pid = syscall(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID, 0L, &parent_tid, 0L, 0L);
    if (pid == 0)
        _exit(7);
    EXPECT(pid > 0 && parent_tid == pid && waitpid((pid_t)pid, &status, 0) == pid);
    EXPECT(WEXITSTATUS(status) == 7);
    /* Onto another stack: the child returns from syscall() to what lies on top of it. */
    extern void passthrough_child_returns(void);
    void **top = (void **)(stack + sizeof stack) - 4;
    top[0] = (void *)passthrough_child_returns;
    pid = syscall(SYS_clone, SIGCHLD | CLONE_VM | CLONE_VFORK, top, 0L, 0L, 0L);
    EXPECT(pid > 0 && waitpid((pid_t)pid, &status, 0) == pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    return CASE_PASSED;
}

__asm__(".globl passthrough_child_returns\n"
        "passthrough_child_returns:\n"
        "  mov $9, %edi\n"
        "  mov $60, %eax\n"
        "  syscall\n");

static int resets_by_number(void)
{
    size_t length = 16 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length);
    uint64_t served = counter("served");
    EXPECT(syscall(SYS_madvise, memory, length, MADV_DONTNEED) == 0);
    EXPECT(is_zero(memory, length) && counter("served") == served + 1);
    struct iovec both[2] = {{memory, PLACE_PAGE}, {memory + 4 * PLACE_PAGE, 2 * PLACE_PAGE}};
    for (int i = 0; i < 3; i++) {
        make_dirty(memory, length);
        long done = syscall(SYS_process_madvise, -10000, both, 2L, MADV_DONTNEED, 0L);
        SKIP_UNLESS(done >= 0 || (errno != EBADF && errno != EINVAL), "no process_madvise on PIDFD_SELF");
        EXPECT(done == 3 * PLACE_PAGE);
        EXPECT(is_zero(memory, PLACE_PAGE) && memory[PLACE_PAGE] == 0xa5);
        EXPECT(is_zero(memory + 4 * PLACE_PAGE, 2 * PLACE_PAGE) && memory[6 * PLACE_PAGE] == 0xa5);
    }
    /* The first only shows that the kernel does it; then each range counts as a call. */
    EXPECT(counter("served") == served + 1 + 4);
    return CASE_PASSED;
}

int main(int argc, char **argv)
{
    static const struct place_case cases[] = {
        {"six_arguments", NULL, NULL, six_arguments},
        {"errors", NULL, NULL, errors},
        {"vforks", NULL, NULL, vforks},
        {"clones", NULL, NULL, clones},
        {"resets_by_number", NULL, NULL, resets_by_number},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
