#include "scan/memory.h"

#include <fcntl.h>
#include <string.h>

#include "scan/prim.h"

enum { CONTENDED_PERCENT = 10 };

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
    char folder[sizeof group->hits - sizeof "/memory.failcnt"], limit[32];
    if (!join(folder, sizeof folder, mount, path))
        return;
    for (;;) {
        read_in(folder, name, limit, sizeof limit);
        uint64_t bytes = number_at(limit);
        if (bytes < group->limit) {
            group->limit = bytes;
            group->limited = true;
            join(group->hits, sizeof group->hits, folder, group->version_1 ? "/memory.failcnt" : "/memory.events");
        }
        if (strlen(folder) <= strlen(mount))
            return;
        *strrchr(folder, '/') = 0;
    }
}

void memory_find_group(struct memory_group *group)
{
    char lines[1024];
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

uint64_t memory_limit_hits(const struct memory_group *group)
{
    char bytes[256];
    if (!group->limited)
        return 0;
    read_file(group->hits, bytes, sizeof bytes);
    const char *at = group->version_1 ? bytes : strstr(bytes, "\nmax ");
    uint64_t hits = at ? number_at(group->version_1 ? at : at + strlen("\nmax ")) : 0;
    return hits == UINT64_MAX ? 0 : hits;
}

bool memory_is_contended(void)
{
    char bytes[128];
    read_file("/proc/pressure/memory", bytes, sizeof bytes);
    const char *average = strstr(bytes, "avg10=");
    uint64_t percent = average ? number_at(average + strlen("avg10=")) : 0;
    return percent != UINT64_MAX && percent >= CONTENDED_PERCENT;
}
