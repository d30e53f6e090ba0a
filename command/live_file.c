#include "command/live_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/arguments.h"
#include "command/file.h"
#include "shim/live.h"
#include "shim/options.h"

/* What a live file's first page says of the rest. */
struct layout {
    unsigned long blocks, offset, words;
    const char *counters, *declined; /* names, in the order of the words */
};

/* What follows `name ` in a line of the page; "" when there is no such line. */
static const char *line_of(const char *page, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = page; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ' ')
            return line + length + 1;
    }
    return "";
}

/* Takes the next of a line's words. False at the line's end. */
static bool next_word(const char **line, char *word, size_t size)
{
    *line += strspn(*line, " ");
    size_t length = strcspn(*line, " \n");
    if (length == 0)
        return false;
    snprintf(word, size, "%.*s", (int)(length < size ? length : size - 1), *line);
    *line += length;
    return true;
}

static const char *keep_line(struct statistics *statistics, const char *page, const char *name)
{
    char line[4096];
    const char *start = line_of(page, name);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(start, "\n"), start);
    return statistics_keep(statistics, line);
}

static bool read_layout(const char *page, struct layout *layout)
{
    layout->counters = line_of(page, "counters");
    layout->declined = line_of(page, "declined");
    return sscanf(line_of(page, "blocks"), "%lu %lu %lu", &layout->blocks, &layout->offset, &layout->words) ==
               3 &&
           layout->offset >= sizeof LIVE_FIRST_LINE && layout->offset <= LIVE_HEADER * 4UL &&
           layout->blocks <= 4096 && layout->words <= 4096;
}

static void read_rules(const char *page, struct statistics *statistics)
{
    char rule[RULES_TEXT];
    for (const char *line = page; (line = strstr(line, "\nrule ")); line++) {
        const char *start = line + strlen("\nrule ");
        snprintf(rule, sizeof rule, "%.*s", (int)strcspn(start, "\n"), start);
        statistics_add_rule(statistics, rule);
    }
}

/* The sum of word number `word` over all blocks. */
static uint64_t sum_of(const char *bytes, const struct layout *layout, size_t word)
{
    uint64_t sum = 0, value;
    for (size_t block = 0; block < layout->blocks && word < layout->words; block++) {
        memcpy(&value, bytes + layout->offset + (block * layout->words + word) * sizeof value, sizeof value);
        sum += value;
    }
    return sum;
}

static void read_counters(const char *bytes, const struct layout *layout, struct statistics *statistics)
{
    struct counters *counters = &statistics->report.counters;
    char name[64];
    size_t word = 0;
    for (const char *names = layout->counters; next_word(&names, name, sizeof name); word++)
        if (counter_of(name) >= 0)
            counters->counter[counter_of(name)] = sum_of(bytes, layout, word);
    for (const char *names = layout->declined; next_word(&names, name, sizeof name); word++)
        if (reason_of(name) >= 0)
            counters->declined[reason_of(name)] = sum_of(bytes, layout, word);
    for (unsigned rule = 0; rule < statistics->rules.count; rule++, word += 4) {
        counters->rule[rule] =
            (struct rule_counters){sum_of(bytes, layout, word), sum_of(bytes, layout, word + 1),
                                   sum_of(bytes, layout, word + 2), sum_of(bytes, layout, word + 3)};
        /* The blocks are not written at one moment: what one thread gave back may be seen before what another
           kept. */
        uint64_t kept = (int64_t)counters->rule[rule].kept > 0 ? counters->rule[rule].kept : 0;
        statistics->report.kept_by_rule[rule] = kept;
        statistics->report.kept += kept;
    }
}

const char *live_read(const char *bytes, size_t length, struct statistics *statistics)
{
    static char page[LIVE_HEADER + 1];
    struct layout layout;
    size_t shown = length < LIVE_HEADER ? length : LIVE_HEADER;
    memcpy(page, bytes, shown);
    page[shown] = '\0';
    if (strncmp(page, LIVE_FIRST_LINE, strlen(LIVE_FIRST_LINE)) != 0)
        return "a live file of another version of keepwarm";
    if (!read_layout(page, &layout))
        return "a live file whose first lines make no sense";
    if (length < layout.offset + layout.blocks * layout.words * sizeof(uint64_t))
        return "a live file that was cut short";
    statistics_start(statistics);
    struct report *report = &statistics->report;
    report->pid = atoi(line_of(page, "pid"));
    report->exe = keep_line(statistics, page, "exe");
    bool is_switched_off = length > LIVE_SWITCH && bytes[LIVE_SWITCH] == '0';
    report->uncounted = length > LIVE_UNCOUNTED && bytes[LIVE_UNCOUNTED] == '1';
    report->mode = is_switched_off ? "off" : keep_line(statistics, page, "mode");
    report->arm = keep_line(statistics, page, "arm");
    read_rules(page, statistics);
    read_counters(bytes, &layout, statistics);
    statistics->ab = json_loads(page + LIVE_PAIRS, 0, NULL);
    return NULL;
}

/* The base name of a process's executable, as the library finds it. False when it may not be seen. */
static bool executable_of(int pid, char *name, size_t size)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%d/exe", pid);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    const char *slash = strrchr(path, '/');
    snprintf(name, size, "%s", slash ? slash + 1 : path);
    return true;
}

bool live_is_running(int pid, const char *exe)
{
    char name[PATH_MAX], proc[64];
    snprintf(proc, sizeof proc, "/proc/%d", pid);
    if (access(proc, F_OK))
        return false;
    /* Another program by now has the number. */
    return !executable_of(pid, name, sizeof name) || strcmp(name, exe) == 0;
}

int parse_pid(const char *text)
{
    bool digits = *text && text[strspn(text, "0123456789")] == '\0' && strlen(text) < 10;
    return digits ? atoi(text) : -1;
}

/* The pid by which the process knows itself: the last of NSpid's. */
static int own_pid(int pid)
{
    char path[64];
    size_t length;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    char *status = file_read(path, &length);
    const char *line = status ? strstr(status, "\nNSpid:") : NULL;
    int own = pid;
    if (line) {
        const char *end = strchr(line + 1, '\n');
        while (end > line && isdigit((unsigned char)end[-1]))
            end--;
        own = atoi(end);
    }
    free(status);
    return own ? own : pid;
}

/* A path that a process knows, from here: through its own root and current folder. */
static void path_from_here(int pid, const char *path, char *here, size_t size)
{
    if (!*path)
        *here = '\0';
    else
        snprintf(here, size, "/proc/%d/%s/%s", pid, *path == '/' ? "root" : "cwd", path + (*path == '/'));
}

/* Is it the live file of the process that knows itself by this number? */
static bool is_live_file_of(int own, const char *path)
{
    char page[64] = "";
    struct stat file;
    int of = -1;
    if (stat(path, &file) || !S_ISREG(file.st_mode))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool is_read = fd >= 0 && pread(fd, page, sizeof page - 1, 0) > 0;
    if (fd >= 0)
        close(fd);
    return is_read && sscanf(page, "keepwarm-live/%*d pid %d", &of) == 1 && of == own;
}

/* The live file that a process has open, for those that write their title over their environment. */
static void find_open(int pid, int own, char *here, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        snprintf(here, size, "%s/%s", path, entry->d_name);
        if (is_live_file_of(own, here)) {
            closedir(folder);
            return;
        }
    }
    if (folder)
        closedir(folder);
    *here = '\0';
}

int target_find(int pid, struct target *target)
{
    static struct problems problems;
    static struct options options;
    char path[PATH_MAX], exe[PATH_MAX] = "";
    size_t length = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    char *environment = file_read(path, &length);
    if (!environment)
        return failure("%d: %s", pid, errno == ENOENT ? "no such process" : strerror(errno));
    const char *settings = NULL;
    for (const char *entry = environment; entry < environment + length; entry += strlen(entry) + 1)
        if (strncmp(entry, "KEEPWARM=", strlen("KEEPWARM=")) == 0)
            settings = entry + strlen("KEEPWARM=");
    problems_start(&problems);
    options_parse(&options, span_of(settings), &problems);
    free(environment);
    target->pid = pid;
    target->own_pid = own_pid(pid);
    executable_of(pid, exe, sizeof exe);
    bool fits = statistics_path(options.live, target->own_pid, exe, path, sizeof path);
    path_from_here(pid, fits ? path : "", target->live, sizeof target->live);
    if (!*target->live)
        find_open(pid, target->own_pid, target->live, sizeof target->live);
    fits = strcmp(options.stats, "stderr") &&
           statistics_path(options.stats, target->own_pid, exe, path, sizeof path);
    path_from_here(pid, fits ? path : "", target->stats, sizeof target->stats);
    return 0;
}
