#include "scan/memory.h"

#include <fcntl.h>
#include <string.h>

#include "scan/files.h"
#include "scan/pagemap.h"
#include "scan/prim.h"
#include "scan/regions.h"

enum { CONTENDED_PERCENT = 10, SPARE_SHARE = 16 };

/* Reads a short file as a string. "" when it cannot be read. */
static void read_file(const char *path, char *bytes, size_t size)
{
    long fd = prim_open(path, O_RDONLY | O_CLOEXEC, 0), count = 0;
    if (!prim_failed(fd)) {
        count = prim_read((int)fd, bytes, size - 1);
        prim_close((int)fd);
    }
    bytes[count > 0 ? count : 0] = 0;
}

static bool join(char *to, size_t size, const char *first, const char *second)
{
    size_t a = strlen(first), b = strlen(second);
    if (a + b >= size)
        return false;
    memmove(to, first, a);
    memcpy(to + a, second, b + 1);
    return true;
}

static void read_in(const char *folder, const char *name, char *bytes, size_t size)
{
    char path[448];
    bytes[0] = 0;
    if (join(path, sizeof path, folder, name))
        read_file(path, bytes, size);
}

/* The decimal number at bytes; UINT64_MAX for what is none, as in memory.max. */
static uint64_t number_at(const char *bytes)
{
    uint64_t number = 0;
    if (*bytes < '0' || *bytes > '9')
        return UINT64_MAX;
    for (; *bytes >= '0' && *bytes <= '9'; bytes++)
        number = number * 10 + (uint64_t)(*bytes - '0');
    return number;
}

/* The path on the line of /proc/self/cgroup that contains key, ended where the line does; or NULL. */
static char *path_after(char *lines, const char *key)
{
    char *path = strstr(lines, key);
    if (!path)
        return NULL;
    path += strlen(key);
    char *end = strchr(path, '\n');
    if (end)
        *end = 0;
    return strcmp(path, "/") == 0 ? path + 1 : path;
}

/* Goes from folder up to mount, and notes the least limit. In a container the path may be one of outside it:
   then the mount's own limit is the process's. */
static void climb(struct memory_group *group, const char *mount, const char *path, const char *name)
{
    char folder[sizeof group->folder], limit[32];
    if (!join(folder, sizeof folder, mount, path))
        return;
    for (;;) {
        read_in(folder, name, limit, sizeof limit);
        uint64_t bytes = number_at(limit);
        if (bytes < group->limit) {
            group->limit = bytes;
            group->limited = true;
            join(group->folder, sizeof group->folder, folder, "");
        }
        if (strlen(folder) <= strlen(mount))
            return;
        *strrchr(folder, '/') = 0;
    }
}

void memory_find_group(struct memory_group *group)
{
    static char lines[8192]; /* a dozen hierarchies of version 1, each with a container's long path */
    *group = (struct memory_group){.limit = UINT64_MAX};
    read_file("/proc/meminfo", lines, sizeof lines);
    const char *digits = lines;
    while (*digits && (*digits < '0' || *digits > '9'))
        digits++;
    uint64_t kilobytes = number_at(digits);
    if (kilobytes != UINT64_MAX)
        group->limit = kilobytes * 1024;
    read_file("/proc/self/cgroup", lines, sizeof lines);
    char *path = path_after(lines, ":memory:");
    group->version_1 = path != NULL;
    if (path) {
        climb(group, "/sys/fs/cgroup/memory", path, "/memory.limit_in_bytes");
        return;
    }
    path = path_after(lines, "0::");
    if (path)
        climb(group, "/sys/fs/cgroup", path, "/memory.max");
}

static int open_in(const char *folder, const char *name)
{
    char path[448];
    return join(path, sizeof path, folder, name) ? scan_file_open(path) : -1;
}

void memory_files_open(const struct memory_group *group, struct memory_files *files)
{
    *files = (struct memory_files){-1, -1, scan_file_open("/proc/pressure/memory")};
    if (!group->limited)
        return;
    files->usage = open_in(group->folder, group->version_1 ? "/memory.usage_in_bytes" : "/memory.current");
    files->stat = open_in(group->folder, "/memory.stat");
}

/* Reads the beginning of an open file as a string. */
static void read_again(const int *fd, char *bytes, size_t size)
{
    long count = prim_pread(__atomic_load_n(fd, __ATOMIC_ACQUIRE), bytes, size - 1, 0);
    bytes[count > 0 ? count : 0] = 0;
}

/* The number on the line of memory.stat that begins with this key; 0 when there is none. */
static uint64_t stat_of(const char *lines, const char *key)
{
    const char *line = strstr(lines, key);
    uint64_t bytes = line ? number_at(line + strlen(key)) : 0;
    return bytes == UINT64_MAX ? 0 : bytes;
}

/* What the kernel takes back at once. Version 1 shows the group alone, and then all of it. */
static uint64_t reclaimable(const struct memory_group *group, const char *lines)
{
    if (group->version_1)
        return stat_of(lines, "\ntotal_inactive_file ") + stat_of(lines, "\ntotal_active_file ");
    return stat_of(lines, "\ninactive_file ") + stat_of(lines, "\nactive_file ") +
           stat_of(lines, "\nslab_reclaimable ");
}

bool memory_is_short(const struct memory_group *group, const struct memory_files *files)
{
    uint64_t most = group->limit - group->limit / SPARE_SHARE;
    char number[32];
    if (files->usage < 0)
        return false;
    read_again(&files->usage, number, sizeof number);
    uint64_t usage = number_at(number);
    if (usage == UINT64_MAX || usage < most)
        return false;
    /* Long lines, in a vector that is lent for scans: the stack may be small. */
    struct loan claim;
    char *lines = (char *)regions_claim(&claim);
    if (!lines)
        return false;
    read_again(&files->stat, lines, REGIONS_MANY * sizeof(struct page_region));
    usage -= reclaimable(group, lines);
    regions_release(&claim);
    return (int64_t)usage >= (int64_t)most;
}

bool memory_is_contended(const struct memory_files *files)
{
    char bytes[128];
    if (files->contention < 0)
        return false;
    read_again(&files->contention, bytes, sizeof bytes);
    const char *average = strstr(bytes, "avg10=");
    uint64_t percent = average ? number_at(average + strlen("avg10=")) : 0;
    return percent != UINT64_MAX && percent >= CONTENDED_PERCENT;
}
