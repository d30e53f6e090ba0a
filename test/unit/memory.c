#include "scan/memory.h"

#include "test/unit/unit.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int file_of(const char *text)
{
    int fd = memfd_create("memory", 0);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

/* Of a group with a limit of 1600 bytes, of which 100 are to stay free. */
static bool is_short(bool version_1, const char *usage, const char *stat)
{
    struct memory_group group = {.limit = 1600, .limited = true, .version_1 = version_1};
    struct memory_files files = {file_of(usage), file_of(stat), -1};
    bool answer = memory_is_short(&group, &files);
    close(files.usage);
    close(files.stat);
    return answer;
}

Test(memory, short_near_the_limit)
{
    cr_assert(!is_short(false, "1499\n", "anon 1499\nfile 0\n"));
    cr_assert(is_short(false, "1500\n", "anon 1499\nfile 0\n"));
    cr_assert(is_short(true, "1500\n", "cache 0\n"));
    cr_assert(!is_short(false, "", ""));
    cr_assert(!is_short(false, "max\n", ""));
}

/* A group that reads files is always full. */
Test(memory, file_pages_are_free)
{
    cr_assert(!is_short(false, "1600\n", "anon 1400\nfile 200\ninactive_file 60\nactive_file 41\n"));
    cr_assert(is_short(false, "1600\n", "anon 1400\nfile 200\ninactive_file 60\nactive_file 40\n"));
    cr_assert(!is_short(false, "1600\n", "anon 9\ninactive_file 60\nactive_file 1\nslab_reclaimable 40\n"));
    cr_assert(is_short(true, "1600\n",
                       "cache 9\ninactive_file 999\ntotal_inactive_file 60\ntotal_active_file 40\n"));
    cr_assert(!is_short(true, "1600\n",
                        "cache 9\ninactive_file 0\ntotal_inactive_file 60\ntotal_active_file 41\n"));
    cr_assert(!is_short(false, "1600\n", "anon 0\ninactive_file 2000\n"));
}

Test(memory, nothing_to_ask)
{
    struct memory_group group = {.limit = 1600};
    struct memory_files files = {-1, -1, -1};
    cr_assert(!memory_is_short(&group, &files));
    cr_assert(!memory_is_contended(&files));
    files.contention = file_of("some avg10=9.99 avg60=0.00 avg300=0.00 total=1\n");
    cr_assert(!memory_is_contended(&files));
    files.contention = file_of("some avg10=10.00 avg60=0.00 avg300=0.00 total=1\n");
    cr_assert(memory_is_contended(&files));
}
