#include "hooks/proc_text.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reads a whole small file; false when it does not fit or cannot be read. Ends the text with a 0. */
static bool read_text(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got = -1;
    while (fd >= 0 && used + 1 < room && (got = read(fd, text + used, room - 1 - used)) > 0)
        used += (size_t)got;
    if (fd >= 0)
        close(fd);
    text[used] = '\0';
    return fd >= 0 && got == 0 && used > 0;
}

/* The number behind `key` at a line's start. */
static bool field(const char *text, const char *key, int base, uint64_t *value)
{
    const char *at = strstr(text, key);
    if (!at)
        return false;
    *value = strtoull(at + strlen(key), NULL, base);
    return true;
}

bool proc_is_traced(void)
{
    char text[8192];
    uint64_t tracer;
    return !read_text("/proc/self/status", text, sizeof text) || !field(text, "\nTracerPid:", 10, &tracer) ||
           tracer != 0;
}

static bool thread_blocks(const char *thread, int number)
{
    char path[64], text[8192];
    uint64_t blocked;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", thread);
    if (!read_text(path, text, sizeof text))
        return access(path, F_OK) == 0; /* a thread that has just ended blocks nothing */
    return !field(text, "\nSigBlk:", 16, &blocked) || blocked >> (number - 1) & 1;
}

struct entry { /* of getdents64 */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

bool proc_blocks_signal(int number)
{
    _Alignas(struct entry) char entries[4096];
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool blocked = fd < 0;
    while (!blocked) {
        long got = syscall(SYS_getdents64, fd, entries, sizeof entries);
        if (got <= 0) {
            blocked = got < 0;
            break;
        }
        for (long at = 0; at < got && !blocked;) {
            const struct entry *entry = (const struct entry *)(entries + at);
            if (entry->name[0] != '.')
                blocked = thread_blocks(entry->name, number);
            at += entry->length;
        }
    }
    if (fd >= 0)
        close(fd);
    return blocked;
}

static int protection_of(const char *access)
{
    return (access[0] == 'r' ? PROT_READ : 0) | (access[1] == 'w' ? PROT_WRITE : 0) |
           (access[2] == 'x' ? PROT_EXEC : 0);
}

int proc_protection(const void *at, size_t size)
{
    char window[4096];
    size_t used = 0;
    int found = -1, fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t got;
         fd >= 0 && found < 0 && (got = read(fd, window + used, sizeof window - 1 - used)) > 0;) {
        used += (size_t)got;
        window[used] = '\0';
        char *line = window;
        for (char *end; found < 0 && (end = strchr(line, '\n')); line = end + 1) {
            char *next;
            uint64_t from = strtoull(line, &next, 16), to = strtoull(next + 1, &next, 16);
            if (from <= (uintptr_t)at && (uintptr_t)at < to)
                found = (uintptr_t)at + size <= to ? protection_of(next + 1) : -2;
        }
        used -= (size_t)(line - window);
        memmove(window, line, used);
        if (used == sizeof window - 1)
            used = 0; /* a path longer than the window: its tail is no line that could match */
    }
    if (fd >= 0)
        close(fd);
    return found < 0 ? -1 : found;
}
