/* Ranges of 1 GiB with a few pages in use far apart: what lies between and behind them is left to the real
   call, and nobody can tell, wherever a program writes next. */
#include "test/places/place.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES = 1 << 18, CYCLES = 300, FAR = 150000, STRAYS = 12 };

/* Pages in use in each cycle, and those that are now and then. */
static const size_t used[] = {0, 3, FAR, FAR + 1};
static const size_t strays[STRAYS] = {1,       2,       4,       5,    PAGES / 4, PAGES / 2,
                                      FAR - 2, FAR - 1, FAR + 2, 1000, PAGES - 2, PAGES - 1};

struct range {
    unsigned char *start;
    size_t image_pages; /* of it, from its start */
};

static uint64_t fresh(const struct range *range, size_t page)
{
    return page < range->image_pages ? 1000003 * (page + 1) : 0;
}

static volatile uint64_t *word(const struct range *range, size_t page)
{
    return (volatile uint64_t *)(range->start + page * PLACE_PAGE);
}

static void mark(int fd, const struct range *range, size_t page)
{
    uint64_t content = fresh(range, page);
    if (page < range->image_pages &&
        pwrite(fd, &content, sizeof content, (off_t)(page * PLACE_PAGE)) != (ssize_t)sizeof content)
        exit(CASE_FAILED);
}

static void map_range(struct range *range, size_t image_pages)
{
    size_t length = (size_t)PAGES * PLACE_PAGE, image_length = image_pages * PLACE_PAGE;
    range->start =
        mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    range->image_pages = image_pages;
    if (range->start == MAP_FAILED)
        exit(CASE_FAILED);
    madvise(range->start, length, MADV_NOHUGEPAGE);
    if (!image_pages)
        return;
    int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)image_length))
        exit(CASE_FAILED);
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        mark(fd, range, used[i]);
    for (size_t i = 0; i < STRAYS; i++)
        mark(fd, range, strays[i]);
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) ||
        mmap(range->start, image_length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
             0) == MAP_FAILED)
        exit(CASE_FAILED);
    close(fd);
}

/* Are all pages that the program ever wrote as the real call leaves them, of those before a limit? */
static bool is_fresh(const struct range *range, size_t limit)
{
    bool good = true;
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        good &= used[i] >= limit || *word(range, used[i]) == fresh(range, used[i]);
    for (size_t i = 0; i < STRAYS; i++)
        good &= strays[i] >= limit || *word(range, strays[i]) == fresh(range, strays[i]);
    return good;
}

static int few_pages_far_apart(size_t image_pages)
{
    struct range range;
    map_range(&range, image_pages);
    for (size_t cycle = 0; cycle < CYCLES; cycle++) {
        size_t pages = cycle % 7 == 6 ? PAGES / 2 : PAGES;
        for (size_t i = 0; i < sizeof used / sizeof *used; i++)
            *word(&range, used[i]) = cycle + 1;
        if (cycle % 5 == 4)
            *word(&range, strays[cycle / 5 % STRAYS]) = cycle + 1;
        EXPECT(madvise(range.start, pages * PLACE_PAGE, MADV_DONTNEED) == 0);
        /* To look is to touch: mostly it is not done. */
        if (cycle % 5 == 4 || cycle % 7 == 6)
            EXPECT(is_fresh(&range, pages));
    }
    EXPECT(counter("served") >= CYCLES / 2);
    EXPECT(counter("pages_forwarded") >= (uint64_t)CYCLES / 2 * PAGES / 2);
    return CASE_PASSED;
}

static int anonymous(void)
{
    return few_pages_far_apart(0);
}

static int short_image(void)
{
    return few_pages_far_apart(16);
}

/* The gap lies within the image. */
static int long_image(void)
{
    return few_pages_far_apart(PAGES * 3 / 4);
}

int main(int argc, char **argv)
{
    static const struct place_case cases[] = {
        {"anonymous", "any", NULL, anonymous},     {"anonymous_cached", "any,vma=cache", NULL, anonymous},
        {"short_image", "any", NULL, short_image}, {"short_image_cached", "any,vma=cache", NULL, short_image},
        {"long_image", "any", NULL, long_image},   {"long_image_cached", "any,vma=cache", NULL, long_image},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
