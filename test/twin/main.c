/* The twin test: two identical mappings, one reset by the kernel and one through the preloaded library. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "place.h"
#include "run.h"

static void usage(void)
{
    puts("usage: twin [--seed N] [--operations N] [--episode K] [--place NAME] [--plain] [--verbose]\n"
         "\n"
         "Keeps pairs of identical mappings, does the same random steps to both, resets one by the real "
         "system call\n"
         "and the other through the libc symbols that a preloaded keepwarm answers, and compares result, "
         "errno and\n"
         "every byte after each step.\n"
         "\n"
         "  --seed N         what the run does (default: the time; printed)\n"
         "  --operations N   at least this many operations (default 1000000). An operation is one step "
         "applied to\n"
         "                   both twins; each step of a thread, of a fork child or under a timer counts as "
         "one.\n"
         "                   From a million on, every row and reason must be reached 1000 times\n"
         "  --episode K      only this episode: what a failure prints\n"
         "  --place NAME     every episode in this bad place\n"
         "  --plain          without the library, both twins by the real call: the test of the test\n"
         "  --verbose        each step on stderr\n"
         "\n"
         "The library is $KEEPWARM_LIBRARY, or .libs/libkeepwarm.so two folders above this program.\n"
         "\n"
         "places:");
    for (int i = 1; i < PLACE_COUNT; i++)
        printf("  %-16s %s\n", place_name(i), place_text(i));
}

static unsigned long number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 0);
    if (*end || !*text) {
        fprintf(stderr, "twin: %s: not a number\n", text);
        exit(125);
    }
    return value;
}

static void parse(struct options *options, int count, char **arguments)
{
    static const struct option table[] = {
        {"seed", 1, NULL, 's'},  {"operations", 1, NULL, 'o'}, {"episode", 1, NULL, 'e'},
        {"place", 1, NULL, 'p'}, {"plain", 0, NULL, 'P'},      {"verbose", 0, NULL, 'v'},
        {"help", 0, NULL, 'h'},  {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(count, arguments, "", table, NULL)) != -1;) {
        if (c == 's')
            options->seed = number(optarg);
        else if (c == 'o')
            options->operations = number(optarg);
        else if (c == 'e')
            options->episode = (long)number(optarg);
        else if (c == 'p')
            options->place = place_find(optarg);
        else if (c == 'P')
            options->plain = true;
        else if (c == 'v')
            options->verbose = true;
        else {
            usage();
            exit(c == 'h' ? 0 : 125);
        }
    }
    if (options->place < 0) {
        fprintf(stderr, "twin: no such place; --help names them\n");
        exit(125);
    }
}

/* An absolute path, as LD_PRELOAD wants it. */
static const char *find_library(void)
{
    static char path[PATH_MAX], self[PATH_MAX];
    const char *given = getenv("KEEPWARM_LIBRARY");
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 64);
    if (!given && length > 0) {
        self[length] = 0;
        strcpy(strrchr(self, '/'), "/../../.libs/libkeepwarm.so");
        given = self;
    }
    if (given && realpath(given, path))
        return path;
    fprintf(stderr, "twin: no library at %s: set KEEPWARM_LIBRARY, or use --plain\n", given ? given : "all");
    exit(125);
}

static void make_folder(struct run *run)
{
    const char *parent = getenv("TMPDIR");
    snprintf(run->folder, sizeof run->folder, "%.80s/twin-XXXXXX", parent ? parent : "/var/tmp");
    if (!mkdtemp(run->folder) || chmod(run->folder, 0777) != 0) {
        perror("twin: a folder for files");
        exit(125);
    }
}

int main(int count, char **arguments)
{
    static struct run run = {.options = {.operations = 1000000, .episode = -1}};
    const char *child = getenv("TWIN_CHILD");
    struct options *options = &run.options;
    options->program = arguments[0];
    options->seed = (unsigned long)time(NULL);
    parse(options, count, arguments);
    if (child) {
        run_child(options, child);
        return 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!options->plain)
        options->library = find_library();
    make_folder(&run);
    run.machine = machine_probe(options->place == PLACE_none, run.folder);
    const char *lack = place_lack(options->place, run.machine);
    if (lack) {
        printf("SKIPPED: place %s: %s\n", place_name(options->place), lack);
        machine_restore();
        return 77;
    }
    printf("twin: seed %lu, %s%s\n", options->seed, options->plain ? "without a library" : options->library,
           options->place ? ", in a bad place" : "");
    bool fine = run_episodes(&run);
    machine_restore();
    fine = fine && report_print(&run);
    printf("%s\n", fine ? "twin: no difference" : "twin: FAILED");
    return fine ? 0 : 1;
}
