/* See machine.h. What is borrowed is given back by a guardian process when its pipe closes: however a run
 * ends. */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"

#define SWAP_PAGES (64ul << 20 >> 12)
#define HUGE_PAGES 24

static const char *const lacks[FACILITY_COUNT] = {
#define FACILITY(name, why) why,
    FACILITIES(FACILITY)
#undef FACILITY
};

const char *facility_lack(enum facility facility)
{
    return lacks[facility];
}

/* Settings to write back, newest last. */
static struct {
    const char *path;
    char old[32];
} settings[8];
static unsigned settings_count;
static char swap_path[128], folder_path[112];
static int guardian_pipe = -1;
static pid_t guardian;

static bool read_text(const char *path, char *text, size_t room)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, room - 1);
    if (file >= 0)
        close(file);
    text[length > 0 ? length : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    return length > 0;
}

static bool write_text(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool done = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        close(file);
    return done;
}

static bool borrow_setting(const char *path, const char *value)
{
    if (!read_text(path, settings[settings_count].old, sizeof settings[0].old) || !write_text(path, value))
        return false;
    settings[settings_count++].path = path;
    return true;
}

static bool borrow_huge_pages(void)
{
    static const char path[] = "/proc/sys/vm/nr_hugepages";
    char text[32];
    long before, after;
    if (!read_text(path, text, sizeof text))
        return false;
    before = strtol(text, NULL, 10);
    snprintf(text, sizeof text, "%ld", before + HUGE_PAGES);
    if (!borrow_setting(path, text) || !read_text(path, text, sizeof text))
        return false;
    after = strtol(text, NULL, 10);
    return after >= before + HUGE_PAGES;
}

static bool borrow_ksm(void)
{
    return borrow_setting("/sys/kernel/mm/ksm/use_zero_pages", "1") &&
           borrow_setting("/sys/kernel/mm/ksm/sleep_millisecs", "5") &&
           borrow_setting("/sys/kernel/mm/ksm/pages_to_scan", "4000") &&
           borrow_setting("/sys/kernel/mm/ksm/run", "1");
}

static bool swap_is_on(void)
{
    char text[256];
    int file = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[length > 0 ? length : 0] = 0;
    const char *second = strchr(text, '\n');
    return second && second[1];
}

/* A swap area is its header: version and size at 1024, the magic at the end of the first page. */
static bool borrow_swap(void)
{
    static uint8_t block[1 << 20];
    uint32_t header[2] = {1, SWAP_PAGES - 1};
    if (swap_is_on())
        return true;
    snprintf(swap_path, sizeof swap_path, "%s/swap", folder_path);
    int file = open(swap_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = file >= 0;
    for (size_t i = 0; written && i < SWAP_PAGES * PAGE / sizeof block; i++)
        written = write(file, block, sizeof block) == (ssize_t)sizeof block;
    memcpy(block + 1024, header, sizeof header);
    memcpy(block + PAGE - 10, "SWAPSPACE2", 10);
    written = written && pwrite(file, block, PAGE, 0) == (ssize_t)PAGE && fsync(file) == 0;
    if (file >= 0)
        close(file);
    if (written && swapon(swap_path, 0) == 0)
        return true;
    unlink(swap_path);
    swap_path[0] = 0;
    return false;
}

static void empty_folder(const char *path)
{
    char name[512];
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR)
            empty_folder(name);
        else
            unlink(name);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

static void give_back(void)
{
    while (settings_count > 0) {
        settings_count--;
        write_text(settings[settings_count].path, settings[settings_count].old);
    }
    if (swap_path[0] && swapoff(swap_path) != 0)
        fprintf(stderr, "twin: swapoff %s: %s\n", swap_path, strerror(errno));
    empty_folder(folder_path);
}

static void start_guardian(void)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) != 0 || (guardian = fork()) < 0) {
        perror("twin: guardian");
        exit(125);
    }
    if (guardian == 0) {
        setsid();
        close(ends[1]);
        while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
            continue;
        give_back();
        _exit(0);
    }
    close(ends[0]);
    guardian_pipe = ends[1];
}

void machine_restore(void)
{
    int status;
    if (guardian_pipe < 0)
        return;
    close(guardian_pipe);
    guardian_pipe = -1;
    waitpid(guardian, &status, 0);
}

static bool probe_scan(void)
{
    struct scan_region region;
    struct scan_arg arg = {.size = sizeof arg,
                           .start = ((uintptr_t)&region & -PAGE),
                           .end = ((uintptr_t)&region & -PAGE) + PAGE,
                           .vec = (uintptr_t)&region,
                           .vec_len = 1,
                           .category_anyof_mask = SCAN_PRESENT,
                           .return_mask = SCAN_PRESENT};
    int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bool works = file >= 0 && ioctl(file, IOCTL_PAGEMAP_SCAN, &arg) >= 0;
    if (file >= 0)
        close(file);
    return works;
}

/* An empty question is a wrong one (EINVAL), but not an unknown one (ENOTTY). */
static bool probe_procmap(void)
{
    static uint8_t question[_IOC_SIZE(IOCTL_PROCMAP_QUERY)];
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    bool works = file >= 0 && (ioctl(file, IOCTL_PROCMAP_QUERY, question) == 0 || errno != ENOTTY);
    if (file >= 0)
        close(file);
    return works;
}

static bool probe_uffd(void)
{
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS | 1ull << 14};
    int file = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    bool works = file >= 0 && ioctl(file, UFFDIO_API, &api) == 0;
    if (file >= 0)
        close(file);
    return works;
}

static bool probe_vector(uint8_t *scratch)
{
    struct iovec_ {
        void *base;
        size_t length;
    } entry = {scratch, PAGE};
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    bool works = raw_call(SYS_process_madvise, self, (long)&entry, 1, ADVICE_DONTNEED, 0, 0) == (long)PAGE;
    if (self >= 0)
        close(self);
    return works;
}

static bool probe_vvar(void)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps))
        found |= strstr(line, "[vvar]") != NULL;
    if (maps)
        fclose(maps);
    return found;
}

static bool probe_pkey(void)
{
    int key = pkey_alloc(0, 0);
    if (key >= 0)
        pkey_free(key);
    return key >= 0;
}

static bool probe_thp(void)
{
    char text[64];
    return read_text("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text) &&
           !strstr(text, "[never]");
}

/* One run at a time may change the machine; another goes on without. */
static bool lock_machine(void)
{
    int file = open("/tmp/keepwarm-twin.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0)
        return true;
    fprintf(stderr, "twin: another run has borrowed swap, huge pages and KSM: their rows are SKIPPED\n");
    return false;
}

unsigned long machine_probe(bool borrow, const char *folder)
{
    unsigned long machine = 0;
    uint8_t *scratch = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    snprintf(folder_path, sizeof folder_path, "%s", folder);
#define FOUND(facility, test) machine |= (unsigned long)((test) ? 1 : 0) << HAS_##facility
    FOUND(NOTHING, true);
    FOUND(ROOT, geteuid() == 0);
    FOUND(PAGEMAP_SCAN, probe_scan());
    FOUND(PROCMAP_QUERY, probe_procmap());
    FOUND(THP, probe_thp());
    FOUND(VVAR, probe_vvar());
    FOUND(MSEAL, raw_call(NUMBER_mseal, (long)scratch, 0, 0, 0, 0, 0) == 0);
    FOUND(GUARD, raw_madvise(scratch, PAGE, ADVICE_GUARD_INSTALL) == 0);
    FOUND(DONTNEED_LOCKED, raw_madvise(scratch, PAGE, ADVICE_DONTNEED_LOCKED) == 0);
    FOUND(UFFD, probe_uffd());
    FOUND(PKEY, probe_pkey());
    FOUND(VECTOR, probe_vector(scratch + PAGE));
    if (borrow && geteuid() == 0 && lock_machine()) {
        FOUND(SWAP, borrow_swap());
        FOUND(HUGETLB, borrow_huge_pages());
        FOUND(KSM, borrow_ksm());
    }
#undef FOUND
    munmap(scratch, 2 * PAGE);
    start_guardian();
    return machine;
}
