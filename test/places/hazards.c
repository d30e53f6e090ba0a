/* What a program may do that makes a reset unsafe: from then on every call goes to the kernel, and the
   program does not die. */
#include "test/places/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Refuses what a reset asks of the kernel, and lets pass what the rest of this program needs; or, if it is
   tight, refuses all that keepwarm might ask. */
static bool tight;

static struct sock_fprog filter_of(uint32_t action)
{
    static struct sock_filter lines[16];
    static const unsigned denied[] = {SYS_ioctl,          SYS_process_vm_readv, SYS_msync,
                                      SYS_rt_sigprocmask, SYS_getpid,           SYS_fcntl};
    size_t count = 0, left = tight ? sizeof denied / sizeof *denied : 3;
    lines[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    for (size_t i = 0; left; i++, left--)
        lines[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied[i], left, 0);
    lines[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    lines[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    return (struct sock_fprog){(unsigned short)count, lines};
}

static int by_prctl(uint32_t action)
{
    struct sock_fprog program = filter_of(action);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static int by_syscall(uint32_t action)
{
    struct sock_fprog program = filter_of(action);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0;
}

static int seccomp_by_prctl(void)
{
    EXPECT(is_served());
    EXPECT(by_prctl(SECCOMP_RET_KILL_PROCESS) == 0);
    EXPECT(is_declined("seccomp"));
    return CASE_PASSED;
}

static int seccomp_by_syscall(void)
{
    EXPECT(is_served());
    EXPECT(by_syscall(SECCOMP_RET_KILL_PROCESS) == 0);
    EXPECT(is_declined("seccomp"));
    return CASE_PASSED;
}

static int seccomp_that_is_refused(void)
{
    EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    errno = 0;
    EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1 && errno == EFAULT);
    EXPECT(syscall(SYS_seccomp, 99, 0, NULL) == -1 && errno == EINVAL);
    EXPECT(is_served());
    return CASE_PASSED;
}

/* A child that filters itself and then resets this memory (its own where that is NULL): does that go well? */
static bool child_resets(int (*filter)(uint32_t), unsigned char *memory)
{
    enum { LENGTH = 8 * PLACE_PAGE };
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (!memory)
            memory = dirty_memory(LENGTH);
        if (filter(SECCOMP_RET_KILL_PROCESS))
            _exit(2);
        int result = madvise(memory, LENGTH, MADV_DONTNEED);
        _exit(result != 0 || !is_zero(memory, LENGTH));
    }
    return waitpid(pid, &status, 0) == pid && status == 0;
}

/* The common order of a sandboxed worker: fork, filter, work. */
static int fork_then(int (*filter)(uint32_t))
{
    EXPECT(is_served());
    EXPECT(child_resets(filter, NULL));
    EXPECT(is_served());
    return CASE_PASSED;
}

static int child_with_a_filter_by_prctl(void)
{
    return fork_then(by_prctl);
}

static int child_with_a_filter_by_syscall(void)
{
    return fork_then(by_syscall);
}

/* A child that filters before any call of its own under the library, not even NOHUGEPAGE. */
static int child_that_filters_first(void)
{
    EXPECT(is_served());
    tight = true;
    EXPECT(child_resets(by_prctl, dirty_memory(8 * PLACE_PAGE)));
    return CASE_PASSED;
}

static int child_of_a_process_with_a_filter(void)
{
    enum { LENGTH = 8 * PLACE_PAGE };
    int status;
    unsigned char *memory = dirty_memory(LENGTH);
    EXPECT(is_served());
    tight = true;
    EXPECT(by_prctl(SECCOMP_RET_KILL_PROCESS) == 0);
    /* glibc's fork blocks signals. */
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        int result = madvise(memory, LENGTH, MADV_DONTNEED);
        syscall(SYS_exit_group, result != 0 || !is_zero(memory, LENGTH));
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    return CASE_PASSED;
}

/* Functions that keepwarm interposes ask nothing of their own any more. */
static int descriptors_under_a_filter(void)
{
    struct iovec range = {dirty_memory(PLACE_PAGE), PLACE_PAGE};
    EXPECT(is_served());
    tight = true;
    EXPECT(by_prctl(SECCOMP_RET_KILL_PROCESS) == 0);
    EXPECT(dup2(1, 900) == 900 && dup3(1, 901, O_CLOEXEC) == 901 && syscall(SYS_dup2, 1, 902) == 902);
    EXPECT(process_madvise(900, &range, 1, MADV_DONTNEED, 0) == -1);
    EXPECT(close(900) == 0 && close(901) == 0 && close(902) == 0);
    return CASE_PASSED;
}

/* The kernel refuses such a vector before it touches anything. */
static int vector_with_an_address_of_nobody(void)
{
    enum { SELF_THREAD = -10000 };
    unsigned char *memory = dirty_memory(PLACE_PAGE);
    struct iovec ranges[] = {{memory, PLACE_PAGE}, {(void *)((1UL << 47) - PLACE_PAGE), PLACE_PAGE}};
    SKIP_UNLESS(process_madvise(SELF_THREAD, ranges, 1, MADV_DONTNEED, 0) == PLACE_PAGE,
                "process_madvise on itself: Linux 6.14");
    memory[0] = 1;
    EXPECT(process_madvise(SELF_THREAD, ranges, 2, MADV_DONTNEED, 0) == -1 && errno == EFAULT);
    EXPECT(memory[0] == 1);
    return CASE_PASSED;
}

/* Runs the case again, in a process that starts under the filter. */
static int start_filtered(int (*filter)(uint32_t action), uint32_t action)
{
    setenv("PLACE_FILTERED", "1", 1);
    char name[64] = "";
    FILE *command = fopen("/proc/self/cmdline", "re");
    size_t length = fread(name, 1, sizeof name - 1, command);
    fclose(command);
    const char *one = name + strlen(name) + 1;
    EXPECT(length > strlen(name) + 1);
    EXPECT(filter(action) == 0);
    execl("/proc/self/exe", "hazards", one, (char *)NULL);
    return CASE_FAILED;
}

static int starts_filtered(uint32_t action)
{
    if (getenv("PLACE_FILTERED"))
        return is_declined("seccomp") ? CASE_PASSED : CASE_FAILED;
    return start_filtered(by_prctl, action);
}

static int inherited_killing_filter(void)
{
    return starts_filtered(SECCOMP_RET_KILL_PROCESS);
}

static int inherited_errno_filter(void)
{
    return starts_filtered(SECCOMP_RET_ERRNO | EPERM);
}

static int userfaultfd_by_syscall(void)
{
    EXPECT(is_served());
    long fd = syscall(SYS_userfaultfd, O_CLOEXEC);
    SKIP_UNLESS(fd >= 0, "no userfaultfd here");
    EXPECT(is_declined("userfaultfd"));
    return CASE_PASSED;
}

static int userfaultfd_by_device(void)
{
    EXPECT(is_served());
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    SKIP_UNLESS(device >= 0, "no /dev/userfaultfd here");
    EXPECT(ioctl(device, _IO(0xAA, 0), O_CLOEXEC) >= 0);
    EXPECT(is_declined("userfaultfd"));
    return CASE_PASSED;
}

static int userfaultfd_by_device_and_syscall(void)
{
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    SKIP_UNLESS(device >= 0, "no /dev/userfaultfd here");
    EXPECT(is_served());
    EXPECT(syscall(SYS_ioctl, device, _IO(0xAA, 0), O_CLOEXEC) >= 0);
    EXPECT(is_declined("userfaultfd"));
    return CASE_PASSED;
}

static int userfaultfd_that_is_refused(void)
{
    EXPECT(syscall(SYS_userfaultfd, 0x7fffffff) == -1);
    EXPECT(ioctl(-1, _IO(0xAA, 0), 0) == -1 && errno == EBADF);
    EXPECT(is_served());
    return CASE_PASSED;
}

/* V8 takes access away first, and gives it back when it uses the memory again. */
static int protected_memory(void)
{
    static const int protections[] = {PROT_NONE, PROT_READ, PROT_WRITE | PROT_READ};
    size_t length = 64 * PLACE_PAGE;
    for (size_t i = 0; i < 3; i++) {
        unsigned char *memory = dirty_memory(length);
        uint64_t declined = counter("declined.protection");
        EXPECT(mprotect(memory, length, protections[i]) == 0);
        EXPECT(madvise(memory, length, MADV_DONTNEED) == 0);
        EXPECT(counter("declined.protection") == declined + (i < 2));
        EXPECT(mprotect(memory, length, PROT_READ | PROT_WRITE) == 0);
        EXPECT(is_zero(memory, length));
    }
    return CASE_PASSED;
}

/* The same with a plan in the cache. */
static int protected_memory_cached(void)
{
    size_t length = 64 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length);
    for (int i = 0; i < 20; i++) {
        EXPECT(madvise(memory, length, MADV_DONTNEED) == 0 && is_zero(memory, length));
        make_dirty(memory, length);
        EXPECT((i & 1 ? (int)syscall(SYS_mprotect, memory, length, PROT_NONE)
                      : mprotect(memory, length, PROT_NONE)) == 0);
        EXPECT(madvise(memory, length, MADV_DONTNEED) == 0);
        EXPECT(mprotect(memory, length, PROT_READ | PROT_WRITE) == 0);
        EXPECT(is_zero(memory, length));
        make_dirty(memory, length);
    }
    EXPECT(counter("served") == 20);
    return CASE_PASSED;
}

/* Writes and resets four pages until that takes no system call any more but now and then. */
static bool is_written_whole(unsigned char *memory)
{
    uint64_t served = counter("served"), scans = counter("scans");
    for (int i = 0; i < 400; i++) {
        make_dirty(memory, 4 * PLACE_PAGE);
        if (madvise(memory, 4 * PLACE_PAGE, MADV_DONTNEED) || !is_zero(memory, 4 * PLACE_PAGE))
            return false;
    }
    return counter("served") == served + 400 && counter("scans") <= scans + 40;
}

static bool in_child(unsigned char *memory)
{
    pid_t child = fork();
    if (child == 0) {
        make_dirty(memory, 4 * PLACE_PAGE);
        bool good = madvise(memory, 4 * PLACE_PAGE, MADV_DONTNEED) == 0 && is_zero(memory, 4 * PLACE_PAGE);
        _exit(good && is_written_whole(memory) ? 0 : 1);
    }
    int status;
    return waitpid(child, &status, 0) == child && status == 0;
}

/* Whatever happens to a range that was written whole a moment ago is noticed. */
static int changes_of_a_range_that_is_written_whole(void)
{
    enum { GUARD_INSTALL = 102 };
    size_t length = 4 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length + 64 * PLACE_PAGE); /* to where it is moved, too */
    EXPECT(is_written_whole(memory));
    EXPECT(mprotect(memory, length, PROT_READ) == 0 && madvise(memory, length, MADV_DONTNEED) == 0);
    EXPECT(mprotect(memory, length, PROT_READ | PROT_WRITE) == 0 && is_written_whole(memory));
    make_dirty(memory, length);
    EXPECT(mlock(memory, length) == 0 && madvise(memory, length, MADV_DONTNEED) == -1 && errno == EINVAL);
    EXPECT(munlock(memory, length) == 0 && memory[17] && is_written_whole(memory));
    EXPECT(in_child(memory));
    make_dirty(memory, length);
    EXPECT(madvise(memory, length - PLACE_PAGE, MADV_DONTNEED) == 0 && memory[length - 1]);
    EXPECT(is_written_whole(memory));
    EXPECT(mremap(memory, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, memory + 64 * PLACE_PAGE) !=
           MAP_FAILED);
    EXPECT(madvise(memory, length, MADV_DONTNEED) == -1 && errno == ENOMEM);
    memory += 64 * PLACE_PAGE;
    EXPECT(is_written_whole(memory));
    if (madvise(memory, PLACE_PAGE, GUARD_INSTALL) == 0) /* Linux 6.13 */
        EXPECT(madvise(memory, length, MADV_DONTNEED) == 0 &&
               is_zero(memory + PLACE_PAGE, length - PLACE_PAGE));
    return CASE_PASSED;
}

/* Refuses PROCMAP_QUERY alone, as kernels before 6.11 do. */
static int without_procmap_query(uint32_t action)
{
    struct sock_filter lines[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, _IOC(_IOC_READ | _IOC_WRITE, 'f', 17, 104), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof lines / sizeof *lines, lines};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* Where nobody can be asked about mappings, what is written whole is written so that it cannot fault, time
   and again. */
static int unseen_protection_without_procmap_query(void)
{
    size_t length = 4 * PLACE_PAGE;
    if (!getenv("PLACE_FILTERED"))
        return start_filtered(without_procmap_query, SECCOMP_RET_ERRNO | ENOTTY);
    unsigned char *memory = dirty_memory(length);
    EXPECT(is_written_whole(memory));
    make_dirty(memory, length);
    EXPECT(raw_call(SYS_mprotect, (long)memory, (long)length, PROT_READ, 0) == 0);
    for (int i = 0; i < 3; i++)
        EXPECT(madvise(memory, length, MADV_DONTNEED) == 0 && is_zero(memory, length));
    return CASE_PASSED;
}

/* A promise that is broken costs exactness. Where it is scanned what to restore it does not cost the process:
   a hole that nobody saw being made. */
static int promised_memory_that_is_gone(void)
{
    size_t length = 200 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length);
    for (int i = 0; i < 50; i++) {
        EXPECT(madvise(memory, length, MADV_DONTNEED) == 0 && is_zero(memory, length));
        make_dirty(memory, length);
    }
    EXPECT(counter("served") == 50);
    EXPECT(raw_call(SYS_munmap, (long)memory + (long)length / 2, PLACE_PAGE, 0, 0) == 0);
    madvise(memory, length, MADV_DONTNEED);
    EXPECT(is_zero(memory, length / 2));
    EXPECT(is_zero(memory + length / 2 + PLACE_PAGE, length / 2 - PLACE_PAGE));
    return CASE_PASSED;
}

enum { FILE_PAGES = 10, FILE_TAIL = 100, MAPPED_PAGES = 16 };

static unsigned char *map_past_end(const unsigned char *content)
{
    size_t length = FILE_PAGES * PLACE_PAGE + FILE_TAIL;
    int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write(fd, content, length) != (ssize_t)length ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW))
        exit(CASE_FAILED);
    return mmap(NULL, MAPPED_PAGES * PLACE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
}

/* Where a mapping goes on behind its file's end each access is a SIGBUS, and the last page of the file ends
   in zeroes: few pages dirty, or all that there are. */
static int image_past_its_end(void)
{
    static unsigned char content[(FILE_PAGES + 1) * PLACE_PAGE];
    enum { CYCLES = 400 };
    memset(content, 0x3c, FILE_PAGES * PLACE_PAGE + FILE_TAIL);
    unsigned char *memory = map_past_end(content);
    int ends[2];
    EXPECT(memory != MAP_FAILED && pipe(ends) == 0);
    for (int i = 0; i < CYCLES; i++) {
        size_t from = i < CYCLES / 2 ? FILE_PAGES - 1 : 0;
        make_dirty(memory + from * PLACE_PAGE, (FILE_PAGES + 1 - from) * PLACE_PAGE);
        EXPECT(madvise(memory, MAPPED_PAGES * PLACE_PAGE, MADV_DONTNEED) == 0);
        EXPECT(memcmp(memory, content, sizeof content) == 0);
        EXPECT(write(ends[1], memory + sizeof content, 1) == -1 && errno == EFAULT);
    }
    EXPECT(counter("declined.failed") == 0 && counter("served") >= CYCLES * 9 / 10);
    return CASE_PASSED;
}

/* How many mappings of memfds this process has. */
static int memfd_mappings(void)
{
    char line[512];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (fgets(line, sizeof line, maps))
        count += strstr(line, "/memfd:") != NULL;
    fclose(maps);
    return count;
}

/* Files that the program is done with are let go of while it maps others, without waiting for a while. */
static int images_one_after_another(void)
{
    enum { IMAGES = 24, LENGTH = 16 << 20, MOST = 12 };
    for (int i = 0; i < IMAGES; i++) {
        int fd = memfd_create("image", MFD_ALLOW_SEALING);
        EXPECT(ftruncate(fd, LENGTH) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK) == 0);
        unsigned char *memory = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        memory[0] = 1;
        EXPECT(madvise(memory, LENGTH, MADV_DONTNEED) == 0 && memory[0] == 0);
        munmap(memory, LENGTH);
        close(fd);
    }
    EXPECT(memfd_mappings() > 0 && memfd_mappings() <= MOST);
    return CASE_PASSED;
}

static int locked_memory(void)
{
    size_t length = 8 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length);
    SKIP_UNLESS(mlock(memory + 4096, PLACE_PAGE) == 0, "no memory may be locked");
    errno = 0;
    EXPECT(madvise(memory, length, MADV_DONTNEED) == -1 && errno == EINVAL);
    EXPECT(is_zero(memory, PLACE_PAGE) && memory[PLACE_PAGE] == 0xa5 && memory[length - 1] == 0xa5);
    EXPECT(madvise(memory, length, 24 /* MADV_DONTNEED_LOCKED */) == 0);
    EXPECT(is_zero(memory, length));
    return CASE_PASSED;
}

static int errno_stays(void)
{
    unsigned char *memory = dirty_memory(8 * PLACE_PAGE);
    for (int i = 0; i < 100; i++) {
        make_dirty(memory, 8 * PLACE_PAGE);
        errno = 1000 + i;
        EXPECT(madvise(memory, 8 * PLACE_PAGE, MADV_DONTNEED) == 0);
        EXPECT(errno == 1000 + i);
        EXPECT(syscall(SYS_madvise, memory, 8 * PLACE_PAGE, MADV_DONTNEED) == 0);
        EXPECT(errno == 1000 + i);
    }
    EXPECT(counter("served") == 200);
    EXPECT(madvise(memory + 1, PLACE_PAGE, MADV_DONTNEED) == -1 && errno == EINVAL);
    return CASE_PASSED;
}

int main(int argc, char **argv)
{
    static const struct place_case cases[] = {
        {"seccomp_by_prctl", NULL, NULL, seccomp_by_prctl},
        {"seccomp_by_syscall", NULL, NULL, seccomp_by_syscall},
        {"seccomp_that_is_refused", NULL, NULL, seccomp_that_is_refused},
        {"child_with_a_filter_by_prctl", NULL, NULL, child_with_a_filter_by_prctl},
        {"child_with_a_filter_by_syscall", NULL, NULL, child_with_a_filter_by_syscall},
        {"child_that_filters_first", NULL, NULL, child_that_filters_first},
        {"child_of_a_process_with_a_filter", NULL, NULL, child_of_a_process_with_a_filter},
        {"descriptors_under_a_filter", NULL, NULL, descriptors_under_a_filter},
        {"vector_with_an_address_of_nobody", NULL, NULL, vector_with_an_address_of_nobody},
        {"inherited_killing_filter", NULL, NULL, inherited_killing_filter},
        {"inherited_errno_filter", NULL, NULL, inherited_errno_filter},
        {"userfaultfd_by_syscall", NULL, NULL, userfaultfd_by_syscall},
        {"userfaultfd_by_device", NULL, NULL, userfaultfd_by_device},
        {"userfaultfd_by_device_and_syscall", NULL, NULL, userfaultfd_by_device_and_syscall},
        {"userfaultfd_that_is_refused", NULL, NULL, userfaultfd_that_is_refused},
        {"protected_memory", NULL, NULL, protected_memory},
        {"protected_memory_cached", "any,vma=cache", NULL, protected_memory_cached},
        {"changes_of_a_range_that_is_written_whole", "any,vma=cache", NULL,
         changes_of_a_range_that_is_written_whole},
        {"unseen_protection_without_procmap_query", "any,vma=cache", NULL,
         unseen_protection_without_procmap_query},
        {"promised_memory_that_is_gone", "any,policy=scan,vma=cache", NULL, promised_memory_that_is_gone},
        {"image_past_its_end", NULL, NULL, image_past_its_end},
        {"image_past_its_end_cached", "any,vma=cache", NULL, image_past_its_end},
        {"image_past_its_end_written_whole", "any,vma=cache,policy=restore", NULL, image_past_its_end},
        {"images_one_after_another", "any,policy=scan", NULL, images_one_after_another},
        {"locked_memory", NULL, NULL, locked_memory},
        {"errno_stays", "any,policy=scan", NULL, errno_stays},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
