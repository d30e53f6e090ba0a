/* What preloading costs a process that does not ask for it, and what memory it takes in one that does.

   startup LIBRARY runs this program again, many times, without and with LIBRARY preloaded, in random order.
 */
#include "test/bench/bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAIRS 500
#define RESIDENT_PAIRS 15

extern char **environ;

/* The three environments: ours without keepwarm's variables; preloaded; preloaded and configured. */
struct environments {
    char **plain;
    char **preloaded;
    char **configured;
};

static char **environment_with(const char *first, const char *second)
{
    size_t count = 0;
    while (environ[count])
        count++;
    const char **copy = calloc(count + 3, sizeof *copy);
    if (!copy)
        die("environment");
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "LD_PRELOAD=", 11) && strncmp(environ[i], "KEEPWARM", 8))
            copy[kept++] = environ[i];
    if (first)
        copy[kept++] = first;
    if (second)
        copy[kept++] = second;
    return (char **)copy;
}

static struct environments make_environments(const char *library)
{
    char *preload;
    if (asprintf(&preload, "LD_PRELOAD=%s", library) < 0)
        die("environment");
    return (struct environments){
        .plain = environment_with(NULL, NULL),
        .preloaded = environment_with(preload, NULL),
        .configured = environment_with(preload, "KEEPWARM_REGIONS=any"),
    };
}

/* Runs "startup MODE" with its output in OUTPUT (or ours, if -1) to its end. */
static void run_self(const char *mode, char **environment, int output)
{
    char *arguments[] = {(char *)"startup", (char *)mode, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1);
    pid_t child;
    int status;
    if (posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environment))
        die("posix_spawn");
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
        die("a child failed");
    posix_spawn_file_actions_destroy(&actions);
}

/* Microseconds from asking for a process that does nothing to its end. */
static double time_start(char **environment)
{
    uint64_t start = now_ns();
    run_self("--exit", environment, -1);
    return (double)(now_ns() - start) / 1000;
}

/* The child's part of resident_kib: resets one page many times, then prints what is resident. */
static void print_resident(void)
{
    unsigned char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        die("mmap");
    for (int i = 0; i < 1000; i++) {
        page[0] = 1;
        if (madvise(page, PAGE, MADV_DONTNEED) || page[0])
            die("reset");
    }
    FILE *rollup = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    long kib = -1;
    while (rollup && fgets(line, sizeof line, rollup) && sscanf(line, "Rss: %ld", &kib) != 1)
        continue;
    printf("%ld\n", kib);
}

static double resident_kib(char **environment)
{
    int ends[2];
    char text[32] = "";
    if (pipe2(ends, O_CLOEXEC))
        die("pipe");
    run_self("--resident", environment, ends[1]);
    if (read(ends[0], text, sizeof text - 1) <= 0)
        die("no answer from a child");
    close(ends[0]);
    close(ends[1]);
    return atof(text);
}

/* Differences of PAIRS pairs, second minus first, each pair in random order. */
static struct spread compare(double (*measure)(char **), char **first, char **second, int pairs)
{
    static double differences[PAIRS];
    for (int i = 0; i < pairs; i++) {
        bool swapped = random() & 1;
        double a = measure(swapped ? second : first);
        double b = measure(swapped ? first : second);
        differences[i] = swapped ? a - b : b - a;
    }
    return spread_of(differences, (size_t)pairs);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("Usage: startup LIBRARY\n", stderr);
        return 2;
    }
    if (!strcmp(argv[1], "--exit"))
        return 0;
    if (!strcmp(argv[1], "--resident")) {
        print_resident();
        return 0;
    }
    if (access(argv[1], R_OK))
        die(argv[1]);
    struct environments environments = make_environments(argv[1]);
    struct spread start = compare(time_start, environments.plain, environments.preloaded, PAIRS);
    struct spread kib = compare(resident_kib, environments.plain, environments.configured, RESIDENT_PAIRS);
    printf(
        "us_over=%.1f us_over_low=%.1f us_over_high=%.1f resident_kib_over=%.0f resident_kib_over_max=%.0f\n",
        start.median, start.low_quartile, start.high_quartile, kib.median, kib.max);
    return 0;
}
