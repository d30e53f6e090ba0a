/* Ranges that are reset alike time and again, so that the library needs few looks at them; and then something
   happens to them, which it must notice. */
#include "test/places/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char cache[] = "any,vma=cache", cache_of_others[] = "any,max=1M;any,min=2M,vma=cache";

enum { MOST_PAGES = 128, CYCLES = 200, MIXED = 16, GUARD_INSTALL = 102, GUARD_REMOVE = 103 };

static size_t range_pages = MOST_PAGES;

/* Anonymous memory, but for some pages that map an image of its own. */
struct range {
    unsigned char *start;
    size_t image_from, image_end; /* pages */
    unsigned char seed;           /* of the image's content */
    size_t shift;                 /* pages of the file that are not mapped, at its start */
};

/* Pages that are dirtied in each cycle: few, with one run across the end or the start of an image at page
   MIXED; or many runs of one page; or all. */
struct habit {
    const size_t *page;
    size_t count;
};

static const size_t few_pages[] = {2, MIXED - 1, MIXED, MIXED + 1, 32};
static size_t many_pages[MOST_PAGES / 2], all_pages[MOST_PAGES];
static const struct habit few = {few_pages, sizeof few_pages / sizeof *few_pages},
                          many = {many_pages, MOST_PAGES / 2};
static struct habit all = {all_pages, MOST_PAGES};

static unsigned char *page_of(const struct range *range, size_t page)
{
    return range->start + page * PLACE_PAGE;
}

static unsigned char fresh(const struct range *range, size_t page)
{
    bool image = page >= range->image_from && page < range->image_end;
    return image ? (unsigned char)(range->seed + page + range->shift) | 1 : 0;
}

/* A sealed file with a page more than are mapped of it. */
static int image_of(const struct range *range, unsigned char seed)
{
    static unsigned char content[PLACE_PAGE];
    int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    for (size_t page = range->image_from; page < range->image_end + 1; page++) {
        memset(content, (unsigned char)(seed + page) | 1, sizeof content);
        if (write(fd, content, sizeof content) != sizeof content)
            exit(CASE_FAILED);
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW))
        exit(CASE_FAILED);
    return fd;
}

/* Over what is mapped there now. */
static void map_image(struct range *range, int fd, unsigned char seed, size_t shift)
{
    size_t length = (range->image_end - range->image_from) * PLACE_PAGE;
    range->seed = seed;
    range->shift = shift;
    if (mmap(page_of(range, range->image_from), length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
             (off_t)(shift * PLACE_PAGE)) == MAP_FAILED)
        exit(CASE_FAILED);
}

static struct range map_range(size_t image_from, size_t image_end)
{
    struct range range = {.image_from = image_from, .image_end = image_end};
    /* With room for it to be moved, and where no neighbour merges with it. */
    unsigned char *room =
        mmap(NULL, 4 * range_pages * PLACE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    range.start = room + range_pages * PLACE_PAGE;
    if (room == MAP_FAILED || mprotect(range.start, range_pages * PLACE_PAGE, PROT_READ | PROT_WRITE))
        exit(CASE_FAILED);
    madvise(range.start, range_pages * PLACE_PAGE, MADV_NOHUGEPAGE);
    if (image_from < image_end) {
        int fd = image_of(&range, 100);
        map_image(&range, fd, 100, 0);
        close(fd);
    }
    for (size_t i = 0; i < MOST_PAGES; i++)
        all_pages[i] = i;
    for (size_t i = 0; i < MOST_PAGES / 2; i++)
        many_pages[i] = 2 * i;
    return range;
}

static bool is_fresh(const struct range *range, size_t from, size_t to)
{
    for (size_t page = from; page < to; page++)
        for (size_t i = 0; i < PLACE_PAGE; i++)
            if (page_of(range, page)[i] != fresh(range, page)) {
                fprintf(stderr, "page %zu, byte %zu: %d, not %d\n", page, i, page_of(range, page)[i],
                        fresh(range, page));
                return false;
            }
    return true;
}

static void dirty(const struct range *range, const struct habit *habit)
{
    for (size_t i = 0; i < habit->count; i++)
        memset(page_of(range, habit->page[i]), 0xee, PLACE_PAGE);
}

static bool reset(const struct range *range)
{
    return madvise(range->start, range_pages * PLACE_PAGE, MADV_DONTNEED) == 0;
}

/* Goes on until nothing about it is new. To look is to touch: all of it is looked at only in the end. */
static bool settle(const struct range *range, const struct habit *habit)
{
    for (size_t cycle = 0; cycle < CYCLES; cycle++) {
        dirty(range, habit);
        if (!reset(range))
            return false;
        for (size_t i = 0; i < habit->count; i++)
            if (page_of(range, habit->page[i])[cycle] != fresh(range, habit->page[i]))
                return false;
    }
    return is_fresh(range, 0, range_pages);
}

/* Other pages than those of the habit, more of them and fewer, and a part of the range alone. */
static bool other_pages(struct range *range, const struct habit *habit)
{
    for (size_t page = 0; page < range_pages; page++) {
        memset(page_of(range, page), 0xdd, PLACE_PAGE);
        if (!reset(range) || !is_fresh(range, 0, range_pages))
            return false;
        if (page % 8 == 7 && !settle(range, habit))
            return false;
    }
    for (size_t pages = 1; pages < range_pages; pages += 13) {
        dirty(range, &all);
        if (madvise(range->start, pages * PLACE_PAGE, MADV_DONTNEED) || !is_fresh(range, 0, pages) ||
            page_of(range, pages)[5] != 0xee || !reset(range) || !is_fresh(range, 0, range_pages) ||
            !settle(range, habit))
            return false;
    }
    return true;
}

static bool other_protection(struct range *range, const struct habit *habit)
{
    dirty(range, habit);
    unsigned char *part = page_of(range, 2);
    size_t length = 3 * PLACE_PAGE;
    if (mprotect(part, length, PROT_READ) || !reset(range) || !is_fresh(range, 0, range_pages) ||
        mprotect(part, length, PROT_READ | PROT_WRITE) || !settle(range, habit))
        return false;
    dirty(range, habit);
    bool refused = mlock(part, length) == 0 && !reset(range) && errno == EINVAL;
    return refused && page_of(range, 2)[9] == 0xee && munlock(part, length) == 0 && settle(range, habit);
}

static bool guard_pages(struct range *range, const struct habit *habit)
{
    size_t guarded = range_pages / 3;
    unsigned char *part = page_of(range, guarded);
    dirty(range, habit);
    if (madvise(part, 2 * PLACE_PAGE, GUARD_INSTALL)) /* Linux 6.13, 6.15 for files */
        return errno == EINVAL;
    return reset(range) && is_fresh(range, 0, guarded) && is_fresh(range, guarded + 2, range_pages) &&
           madvise(part, 2 * PLACE_PAGE, GUARD_REMOVE) == 0 && is_fresh(range, 0, range_pages) &&
           settle(range, habit);
}

static bool in_child(struct range *range, const struct habit *habit)
{
    pid_t child = fork();
    if (child == 0)
        _exit(settle(range, habit) ? 0 : 1);
    dirty(range, habit);
    int status;
    return reset(range) && is_fresh(range, 0, range_pages) && waitpid(child, &status, 0) == child &&
           status == 0 && settle(range, habit);
}

/* Its mappings are moved away, and others take their place: another image, or none, or a shared one. */
static bool other_mappings(struct range *range, const struct habit *habit)
{
    size_t length = range_pages * PLACE_PAGE;
    dirty(range, habit);
    if (range->image_from < range->image_end) {
        /* To and fro between files and parts of them that the library knows by then. */
        const int fd[] = {image_of(range, 50), image_of(range, 51)};
        for (unsigned char i = 0; i < 8; i++) {
            map_image(range, fd[(i + 1) / 2 % 2], 50 + (i + 1) / 2 % 2, i / 2 % 2);
            dirty(range, habit);
            if (!reset(range) || !is_fresh(range, 0, range_pages) || !settle(range, habit))
                return false;
        }
        close(fd[0]);
        close(fd[1]);
    }
    dirty(range, habit);
    if (munmap(page_of(range, 2), PLACE_PAGE) || reset(range) || errno != ENOMEM ||
        !is_fresh(range, 3, range_pages))
        return false;
    if (mmap(range->start, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        return false;
    dirty(range, habit);
    if (!reset(range) || page_of(range, 2)[3] != 0xee)
        return false;
    range->image_end = range->image_from;
    return mmap(range->start, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0) != MAP_FAILED &&
           settle(range, habit);
}

/* The same by system calls that nobody sees: of what was promised nothing, the kernel must be asked each
 * time. */
static bool unseen_protection(struct range *range, const struct habit *habit)
{
    long start = (long)range->start, length = (long)range_pages * PLACE_PAGE;
    dirty(range, habit);
    return raw_call(SYS_mprotect, start, length, PROT_READ, 0) == 0 && reset(range) &&
           is_fresh(range, 0, range_pages) &&
           raw_call(SYS_mprotect, start, length, PROT_READ | PROT_WRITE, 0) == 0 && settle(range, habit);
}

static bool unseen_protection_of_a_part(struct range *range, const struct habit *habit)
{
    long part = (long)page_of(range, 2);
    dirty(range, habit);
    return raw_call(SYS_mprotect, part, PLACE_PAGE, PROT_NONE, 0) == 0 && reset(range) &&
           raw_call(SYS_mprotect, part, PLACE_PAGE, PROT_READ | PROT_WRITE, 0) == 0 &&
           is_fresh(range, 0, range_pages) && settle(range, habit);
}

static bool unseen_lock(struct range *range, const struct habit *habit)
{
    long start = (long)range->start, length = (long)range_pages * PLACE_PAGE;
    dirty(range, habit);
    return raw_call(SYS_mlock, start, length, 0, 0) == 0 && !reset(range) && errno == EINVAL &&
           page_of(range, 2)[9] == 0xee && raw_call(SYS_munlock, start, length, 0, 0) == 0 &&
           settle(range, habit);
}

/* Zeroes where the image was, all over. */
static bool unseen_mapping(struct range *range, const struct habit *habit)
{
    long start = (long)range->start, length = (long)range_pages * PLACE_PAGE;
    range->image_end = range->image_from;
    if (raw_call(SYS_mmap, start, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED) !=
        start)
        return false;
    dirty(range, habit);
    return reset(range) && is_fresh(range, 0, range_pages) && settle(range, habit);
}

static bool unseen_hole(struct range *range, const struct habit *habit)
{
    dirty(range, habit);
    return raw_call(SYS_munmap, (long)page_of(range, 2), PLACE_PAGE, 0, 0) == 0 && !reset(range) &&
           errno == ENOMEM && is_fresh(range, 3, range_pages);
}

static int raw_madvise(void *address, size_t length, int advice)
{
    return (int)raw_call(SYS_madvise, (long)address, (long)length, advice, 0);
}

static bool guard_by(int (*advise)(void *, size_t, int), struct range *range, const struct habit *habit)
{
    size_t guarded = range_pages / 3;
    unsigned char *part = page_of(range, guarded);
    dirty(range, habit);
    int result = advise(part, PLACE_PAGE, GUARD_INSTALL);
    if (result)
        return result == -EINVAL;
    return reset(range) && is_fresh(range, 0, guarded) && is_fresh(range, guarded + 1, range_pages) &&
           advise(part, PLACE_PAGE, GUARD_REMOVE) == 0 && is_fresh(range, 0, range_pages) &&
           settle(range, habit);
}

static bool unseen_guard(struct range *range, const struct habit *habit)
{
    return guard_by(raw_madvise, range, habit);
}

static bool guard_at_a_site(struct range *range, const struct habit *habit)
{
    return guard_by(site_madvise, range, habit);
}

static int habits(size_t image_from, size_t image_end, const struct habit *habit)
{
    /* The first are not seen, the next is where sites are hooked; guard pages that were seen count for good.
     */
    static bool (*const happens[])(struct range *, const struct habit *) = {
        unseen_protection, unseen_protection_of_a_part,
        unseen_lock,       unseen_mapping,
        unseen_hole,       unseen_guard,
        guard_at_a_site,   other_pages,
        other_protection,  in_child,
        other_mappings,    guard_pages,
    };
    enum { UNSEEN = 6 };
    bool promised = strcmp(getenv("KEEPWARM_REGIONS"), cache) == 0;
    bool hooked = strstr(getenv("KEEPWARM"), "hooks=inline") != NULL;
    for (size_t i = promised ? UNSEEN + !hooked : 0; i < sizeof happens / sizeof *happens; i++) {
        struct range range = map_range(image_from, image_end);
        /* Short ones until other stores have been tried, and are used or not. */
        for (size_t times = 0; times < 1 + 4 * (range_pages < MOST_PAGES); times++)
            EXPECT(settle(&range, habit));
        uint64_t served = counter("served"), real_calls = counter("real_calls"), scans = counter("scans"),
                 restored = counter("pages_restored");
        EXPECT(settle(&range, habit));
        EXPECT(counter("served") == served + CYCLES && counter("real_calls") <= real_calls + 2);
        EXPECT(counter("scans") <= scans + CYCLES + CYCLES / 8);
        EXPECT(counter("pages_restored") >= restored + CYCLES * habit->count);
        EXPECT(happens[i](&range, habit));
    }
    return CASE_PASSED;
}

static int few_of_anonymous(void)
{
    return habits(0, 0, &few);
}

static int few_of_image(void)
{
    return habits(0, range_pages, &few);
}

static int few_of_image_first(void)
{
    return habits(0, MIXED, &few);
}

static int few_of_image_last(void)
{
    return habits(MIXED, range_pages, &few);
}

static int many_of_anonymous(void)
{
    return habits(0, 0, &many);
}

static int many_of_image(void)
{
    return habits(0, range_pages, &many);
}

static int all_of_anonymous(void)
{
    return habits(0, 0, &all);
}

/* So few that vma=check has the kernel write them, with no scan. */
static int all_of_a_few(void)
{
    range_pages = all.count = 8;
    return habits(0, 0, &all);
}

static int all_of_image(void)
{
    return habits(0, range_pages, &all);
}

static int all_of_image_first(void)
{
    return habits(0, MIXED, &all);
}

static int all_of_image_last(void)
{
    return habits(MIXED, range_pages, &all);
}

int main(int argc, char **argv)
{
    static const struct place_case cases[] = {
        {"few_of_anonymous", cache, NULL, few_of_anonymous},
        {"few_of_image", cache, NULL, few_of_image},
        {"few_of_image_first", cache, NULL, few_of_image_first},
        {"few_of_image_last", cache, NULL, few_of_image_last},
        {"many_of_anonymous", cache, NULL, many_of_anonymous},
        {"many_of_image", cache, NULL, many_of_image},
        {"all_of_anonymous", cache, NULL, all_of_anonymous},
        {"all_of_image", cache, NULL, all_of_image},
        {"all_of_image_first", cache, NULL, all_of_image_first},
        {"all_of_image_last", cache, NULL, all_of_image_last},
        {"few_of_anonymous_checked", "any", NULL, few_of_anonymous},
        {"few_of_image_checked", "any", NULL, few_of_image},
        {"few_of_image_first_checked", "any", NULL, few_of_image_first},
        {"few_of_image_last_checked", "any", NULL, few_of_image_last},
        {"few_of_image_beside_a_promise", cache_of_others, NULL, few_of_image},
        {"many_of_anonymous_checked", "any", NULL, many_of_anonymous},
        {"all_of_a_few", cache, NULL, all_of_a_few},
        {"all_of_a_few_hooked", cache, "hooks=inline", all_of_a_few},
        {"all_of_a_few_checked", "any", NULL, all_of_a_few},
        {"all_of_image_checked", "any", NULL, all_of_image},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
