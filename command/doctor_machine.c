#include <stdlib.h>
#include <string.h>

#include "command/doctor.h"
#include "shim/text.h"

/* The first line of a file, without its end; false when it cannot be read. */
static bool read_line(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "re");
    bool read = file && fgets(line, (int)size, file);
    if (file)
        fclose(file);
    if (read)
        line[strcspn(line, "\n")] = 0;
    return read;
}

static void add_overcommit(struct report *report)
{
    char line[64];
    if (!read_line("/proc/sys/vm/overcommit_memory", line, sizeof line))
        return;
    if (strcmp(line, "2") != 0) {
        report_add(report, "overcommit", STATUS_OK, "vm.overcommit_memory is %s", line);
        return;
    }
    row_remedy(report_add(report, "overcommit", STATUS_WARNING,
                          "vm.overcommit_memory is 2: all writable memory is charged when it is mapped, so "
                          "that large pools may not start, with keepwarm or without"),
               "Map pools PROT_NONE or MAP_NORESERVE, make them smaller, or sysctl vm.overcommit_memory=0");
}

static void add_huge_pages(struct report *report)
{
    char line[128];
    if (!read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line))
        report_add(report, "thp", STATUS_OK, "no transparent huge pages");
    else if (!strstr(line, "[always]"))
        report_add(report, "thp", STATUS_OK, "transparent huge pages: %s", line);
    else
        row_remedy(
            report_add(report, "thp", STATUS_WARNING,
                       "transparent huge pages: %s. Memory that comes in huge pages is not kept: a reset "
                       "gives those to the real call",
                       line),
            "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled, or for one program "
            "prctl(PR_SET_THP_DISABLE); measure both with keepwarm ab");
}

/* A cgroup file's number of bytes; UINT64_MAX for none ("max", version 1's huge default, no such file). */
static uint64_t cgroup_bytes(const char *folder, const char *name)
{
    char path[4300], line[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!read_line(path, line, sizeof line) || line[0] < '0' || line[0] > '9')
        return UINT64_MAX;
    uint64_t bytes = strtoull(line, NULL, 10);
    return bytes < UINT64_MAX / 4 ? bytes : UINT64_MAX;
}

struct limit {
    uint64_t most, used; /* bytes */
};

/* The tightest limit on the way from a cgroup up to its mount. In a container the path is the host's, and may
   lead nowhere: the mount itself is then the container's own cgroup. */
static void find_limit(struct limit *limit, const char *mount, const char *group, const char *most,
                       const char *used)
{
    char folder[4200];
    snprintf(folder, sizeof folder, "%s%s", mount, strcmp(group, "/") == 0 ? "" : group);
    for (;;) {
        uint64_t bytes = cgroup_bytes(folder, most);
        if (bytes < limit->most)
            *limit = (struct limit){bytes, cgroup_bytes(folder, used)};
        char *slash = strrchr(folder, '/');
        if (!slash || strlen(folder) <= strlen(mount))
            return;
        *slash = 0;
    }
}

static struct limit memory_limit(void)
{
    struct limit limit = {UINT64_MAX, 0};
    char line[4096];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *group = strchr(line, ':');
        group = group ? strchr(group + 1, ':') : NULL;
        if (!group)
            continue;
        if (strncmp(line, "0::", 3) == 0)
            find_limit(&limit, "/sys/fs/cgroup", group + 1, "memory.max", "memory.current");
        else if (strstr(line, ":memory:") || strstr(line, ",memory:") || strstr(line, ":memory,"))
            find_limit(&limit, "/sys/fs/cgroup/memory", group + 1, "memory.limit_in_bytes",
                       "memory.usage_in_bytes");
    }
    if (file)
        fclose(file);
    return limit;
}

enum { BUDGET_PART = 4, MIB = 1 << 20 }; /* budget's default: 25% of the limit */

static void add_limit(struct report *report)
{
    struct limit limit = memory_limit();
    if (limit.most == UINT64_MAX) {
        report_add(report, "memory_limit", STATUS_OK, "the cgroup sets no memory limit");
        return;
    }
    uint64_t room = limit.used < limit.most ? limit.most - limit.used : 0;
    bool tight = room < limit.most / BUDGET_PART;
    struct row *row = report_add(
        report, "memory_limit", tight ? STATUS_WARNING : STATUS_OK,
        "the cgroup's memory limit is %llu MiB, %llu MiB of it free. Kept memory counts against it",
        (unsigned long long)limit.most / MIB, (unsigned long long)room / MIB);
    if (tight)
        row_remedy(
            row, "Raise the limit, or keep less: keep= in a rule bounds what a reset keeps, KEEPWARM=budget= "
                 "what a process does");
}

void doctor_machine(struct report *report)
{
    add_overcommit(report);
    add_huge_pages(report);
    add_limit(report);
}
