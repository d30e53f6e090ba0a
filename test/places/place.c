#include "test/places/place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 200, HEADER = 16384, LIVE_BYTES = 1 << 20 };

/* ---- the live file, as shim/live.h describes it ---- */

/* The index of name among the words of the header's line that starts with key, or -1. */
static long word_index(const char *header, const char *key, const char *name, size_t name_length)
{
    const char *line = strstr(header, key);
    if (!line)
        return -1;
    const char *end = strchr(line + 1, '\n');
    long index = 0;
    for (const char *at = line + strlen(key); at < end && *at == ' '; index++) {
        size_t length = strcspn(at + 1, " \n");
        if (length == name_length && strncmp(at + 1, name, length) == 0)
            return index;
        at += 1 + length;
    }
    return -1;
}

static long word_count(const char *header, const char *key)
{
    const char *line = strstr(header, key);
    long words = 0;
    for (const char *at = line ? line + 1 : "\n"; *at != '\n'; at++)
        words += *at == ' ';
    return words;
}

struct live {
    unsigned blocks, offset, words;
    char bytes[LIVE_BYTES];
};

static const struct live *read_live(pid_t pid)
{
    static struct live live;
    char path[512];
    snprintf(path, sizeof path, "%s/%d", getenv("PLACE_LIVE"), (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, live.bytes, sizeof live.bytes - 1);
    close(fd);
    const char *line = length < HEADER ? NULL : strstr(live.bytes, "\nblocks ");
    if (!line || sscanf(line, "\nblocks %u %u %u", &live.blocks, &live.offset, &live.words) != 3) {
        fprintf(stderr, "no live file %s\n", path);
        return NULL;
    }
    return &live;
}

static uint64_t sum_of(const struct live *live, size_t index)
{
    uint64_t sum = 0, value;
    for (unsigned i = 0; i < live->blocks; i++) {
        memcpy(&value, live->bytes + live->offset + (i * live->words + index) * sizeof value, sizeof value);
        sum += value;
    }
    return sum;
}

uint64_t counter_of(pid_t pid, const char *name)
{
    const struct live *live = read_live(pid);
    if (!live)
        return UINT64_MAX;
    bool reason = strncmp(name, "declined.", 9) == 0;
    const char *word = reason ? name + 9 : name;
    long index = word_index(live->bytes, reason ? "\ndeclined" : "\ncounters", word, strlen(word));
    if (index < 0) {
        fprintf(stderr, "no counter %s\n", name);
        return UINT64_MAX;
    }
    index += reason ? word_count(live->bytes, "\ncounters") : 0;
    return sum_of(live, (size_t)index);
}

uint64_t kept_bytes(void)
{
    enum { RULE_WORDS = 4, KEPT_WORD = 3 };
    const struct live *live = read_live(getpid());
    unsigned rules = 0;
    const char *line = live ? strstr(live->bytes, "\nrules ") : NULL;
    if (!line || sscanf(line, "\nrules %u", &rules) != 1)
        return UINT64_MAX;
    size_t first = (size_t)(word_count(live->bytes, "\ncounters") + word_count(live->bytes, "\ndeclined"));
    uint64_t sum = 0;
    for (unsigned i = 0; i < rules; i++)
        sum += sum_of(live, first + i * RULE_WORDS + KEPT_WORD);
    return sum;
}

uint64_t counter(const char *name)
{
    return counter_of(getpid(), name);
}

/* ---- memory ---- */

void make_dirty(unsigned char *memory, size_t length)
{
    memset(memory, 0xa5, length);
}

unsigned char *dirty_memory(size_t length)
{
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(CASE_FAILED);
    }
    madvise(memory, length, MADV_NOHUGEPAGE);
    make_dirty(memory, length);
    return memory;
}

bool is_zero(const unsigned char *memory, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (memory[i])
            return false;
    return true;
}

static bool counts_once(const char *name)
{
    size_t length = 8 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length);
    uint64_t before = counter(name);
    int result = madvise(memory, length, MADV_DONTNEED);
    uint64_t after = counter(name);
    bool right = result == 0 && is_zero(memory, length);
    if (!right)
        fprintf(stderr, "a reset went wrong: result %d\n", result);
    if (after != before + 1)
        fprintf(stderr, "%s went from %ld to %ld\n", name, (long)before, (long)after);
    munmap(memory, length);
    return right && after == before + 1;
}

bool is_served(void)
{
    return counts_once("served");
}

bool is_declined(const char *reason)
{
    char name[64];
    snprintf(name, sizeof name, "declined.%s", reason);
    return counts_once(name);
}

/* ---- system calls ---- */

long raw_call(long number, long a, long b, long c, long d)
{
    long result;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = -1;
    register long sixth __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}

__asm__(".globl site_madvise\n"
        ".type site_madvise, @function\n"
        "site_madvise:\n"
        "  mov $28, %eax\n"
        "  syscall\n"
        "  ret\n"
        ".size site_madvise, .-site_madvise\n");

/* ---- running ---- */

static void become_case(const char *program, const struct place_case *one, const char *live)
{
    char settings[1024];
    const char *preload = getenv("PLACE_PRELOAD");
    snprintf(settings, sizeof settings, "live=%s/%%p%s%s", live, one->settings ? "," : "",
             one->settings ? one->settings : "");
    setenv("PLACE_LIVE", live, 1);
    setenv("LD_PRELOAD", preload ? preload : getenv("KEEPWARM_LIBRARY"), 1);
    setenv("KEEPWARM", settings, 1);
    setenv("KEEPWARM_REGIONS", one->rules ? one->rules : "any", 1);
    /* What this program inherited would be taken for the library's. */
    close_range(3, ~0U, 0);
    execl("/proc/self/exe", program, one->name, (char *)NULL);
    _exit(CASE_FAILED);
}

static int run_case(const char *program, const struct place_case *one, const char *live)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        become_case(program, one, live);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return CASE_FAILED;
    kill(-pid, SIGKILL); /* what it left behind */
    int result = WIFEXITED(status) ? WEXITSTATUS(status) : CASE_FAILED;
    const char *what = result == CASE_PASSED ? "ok" : result == CASE_SKIPPED ? "skipped" : "FAILED";
    printf("%s %s", what, one->name);
    if (WIFSIGNALED(status))
        printf(" (killed by %s)", strsignal(WTERMSIG(status)));
    puts("");
    return result;
}

static void remove_directory(const char *path)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0)
        fprintf(stderr, "%s stays\n", path);
}

/* See test/kernels/need-scan. */
static bool kernel_scans(void)
{
    unsigned char argument[96] = {0};
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bool unknown =
        ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'f', 16, sizeof argument), argument) != 0 && errno == ENOTTY;
    close(fd);
    return !unknown;
}

int place_main(int argc, char **argv, const struct place_case *cases, size_t count)
{
    bool inside = getenv("PLACE_LIVE") != NULL;
    if (inside) {
        alarm(SECONDS);
        for (size_t i = 0; i < count; i++)
            if (argc > 1 && strcmp(cases[i].name, argv[1]) == 0)
                return cases[i].run();
        return CASE_FAILED;
    }
    const char *library = getenv("KEEPWARM_LIBRARY");
    if (!library || access(library, R_OK) != 0) {
        fprintf(stderr, "KEEPWARM_LIBRARY does not name the built library\n");
        return CASE_FAILED;
    }
    if (!kernel_scans()) {
        puts("skipped: this kernel has no PAGEMAP_SCAN");
        return CASE_SKIPPED;
    }
    char live[] = "/tmp/keepwarm-place-XXXXXX";
    if (!mkdtemp(live))
        return CASE_FAILED;
    unsigned failed = 0, passed = 0;
    for (size_t i = 0; i < count; i++) {
        if (argc > 1 && strcmp(cases[i].name, argv[1]) != 0)
            continue;
        int result = run_case(argv[0], &cases[i], live);
        failed += result != CASE_PASSED && result != CASE_SKIPPED;
        passed += result == CASE_PASSED;
    }
    remove_directory(live);
    return failed ? CASE_FAILED : passed ? CASE_PASSED : CASE_SKIPPED;
}
