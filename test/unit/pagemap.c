#include "scan/pagemap.h"

#include "test/unit/unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, LONG = (256 << 20) / PAGE_BYTES, DENSE = 3 * LONG / 4, EVERY = 37 };

/* Pages of a long range that are far apart, and many that are adjacent: slices of all lengths. */
static bool is_dirty(uint64_t page)
{
    return page < DENSE ? page % EVERY == 0 : page < DENSE + 10000;
}

static unsigned char *long_range(void)
{
    unsigned char *range = mmap(NULL, (size_t)LONG * PAGE_BYTES, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert(range != MAP_FAILED);
    madvise(range, (size_t)LONG * PAGE_BYTES, MADV_NOHUGEPAGE);
    for (uint64_t page = 0; page < LONG; page++)
        if (is_dirty(page))
            range[page * PAGE_BYTES] = 1;
    return range;
}

static struct pagemap_scan scan_of(unsigned char *range, struct page_region *regions, unsigned capacity)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (!pagemap_works(fd))
        cr_skip_test("no PAGEMAP_SCAN here");
    return (struct pagemap_scan){
        .fd = fd,
        .position = (uintptr_t)range,
        .end = (uintptr_t)range + (uintptr_t)LONG * PAGE_BYTES,
        .clean = CATEGORY_ZERO,
        .asked = CATEGORY_SWAPPED,
        .regions = regions,
        .capacity = capacity,
    };
}

static void expect_from(const unsigned char *range, uint64_t *page, uint64_t end, bool dirty)
{
    for (; (uintptr_t)range + *page * PAGE_BYTES < end; ++*page)
        cr_assert_eq(is_dirty(*page), dirty, "page %lu is %s", *page, dirty ? "clean" : "dirty");
}

/* Whatever slices the clock chooses, every dirty page is found, once and in order; or every other one. */
static void expect_all_found(uintptr_t file_pages, bool complement)
{
    enum { REGIONS = 128 };
    struct page_region regions[REGIONS];
    unsigned char *range = long_range();
    struct pagemap_scan scan = scan_of(range, regions, REGIONS);
    uint64_t page = 0;
    scan.file_end = file_pages ? scan.position + file_pages * PAGE_BYTES : 0;
    scan.complement = complement;
    while (scan.position < scan.end) {
        int count = pagemap_next(&scan, UINT64_MAX);
        cr_assert(count >= 0, "error %d after page %lu", count, page);
        for (int i = 0; i < count; i++) {
            expect_from(range, &page, regions[i].start, complement);
            expect_from(range, &page, regions[i].end, !complement);
        }
        expect_from(range, &page, scan.position, complement);
    }
    cr_assert_eq(page, LONG);
    close(scan.fd);
    munmap(range, (size_t)LONG * PAGE_BYTES);
}

Test(pagemap, long_range_is_found_whole)
{
    for (int i = 0; i < 20; i++)
        expect_all_found(i % 2 ? LONG : 0, i % 4 > 1);
}

Test(pagemap, long_range_is_left_after_the_first_slice)
{
    struct page_region region;
    unsigned char *range = long_range();
    struct pagemap_scan scan = scan_of(range, &region, 1);
    cr_assert_eq(pagemap_next(&scan, UINT64_MAX), 1);
    scan.position = (uintptr_t)range + (uintptr_t)(DENSE + 10000) * PAGE_BYTES;
    scan.slice = 0;
    scan.end = scan.position + PAGEMAP_SLICE;
    uintptr_t from = scan.position;
    scan.file_end = scan.end;
    cr_assert_eq(pagemap_next(&scan, UINT64_MAX), 0);
    cr_assert_lt(scan.position, scan.end, "much of a file in one slice");
    scan.position = from;
    scan.slice = 0;
    scan.file_end = 0;
    scan.end = from + PAGEMAP_SLICE / 4;
    cr_assert_eq(pagemap_next(&scan, UINT64_MAX), 0);
    cr_assert_eq(scan.position, scan.end, "an ordinary range in more than one slice");
}
