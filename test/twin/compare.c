/* See compare.h. Reading a page changes its state (a zero page appears, a swapped page comes in), so most
   episodes look at the page tables first and leave alone what both sides never touched; the others read
   everything. */
#include "compare.h"

#include <fcntl.h>
#include <string.h>

#include "pair.h"
#include "touch.h"

#define ENTRY_USED (0xeull << 60 | 1ull << 58) /* present, swapped, file; guard */

#define REGIONS 512
#define MANY                                                                                                 \
    128 /* the largest vector that still scans at its lowest cost is half of the kernel's own 512            \
         */

static const uint8_t zero[PAGE] __attribute__((aligned(4096)));
static uint64_t entries[2][PAGES_MAX];
static uint8_t expected[PAGES_MAX];
static bool anything_expected;

void compare_open(void)
{
    if (world.pagemap >= 0)
        raw_call(SYS_close, world.pagemap, 0, 0, 0, 0, 0);
    world.pagemap = (int)raw_call(SYS_open, (long)"/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0, 0, 0, 0);
}

void compare_expect(size_t first, size_t end)
{
    for (size_t i = first; i < end && i < PAGES_MAX; i++)
        expected[i] = 1;
    anything_expected = true;
}

static bool read_entries(const struct pair *pair)
{
    if (world.pagemap < 0 || !world.gentle)
        return false;
    for (int side = REAL; side <= LIBRARY; side++) {
        long length = (long)(pair->pages * sizeof(uint64_t));
        long offset = (long)((uintptr_t)pair->at[side] / PAGE * sizeof(uint64_t));
        if (raw_call(SYS_pread64, world.pagemap, (long)entries[side], length, offset, 0, 0) != length)
            return false;
    }
    return true;
}

static const uint8_t *byte_at(const struct pair *pair, enum side side, size_t page)
{
    return pair->at[side] + page * PAGE;
}

_Noreturn static void tell_difference(const struct pair *pair, size_t page, const uint8_t *want,
                                      const char *whose)
{
    const uint8_t *got = byte_at(pair, LIBRARY, page);
    size_t i = 0, count = 0;
    for (size_t k = PAGE; k-- > 0;)
        if (want[k] != got[k]) {
            i = k;
            count++;
        }
    fail(
        "%s, slot %u: page %zu of %zu, byte %zu (address %p): expected %02x (%s), got %02x; %zu bytes differ",
        pair->kind->text, pair->slot, page, pair->pages, i, (const void *)(got + i), want[i], whose, got[i],
        count);
}

static void compare_page(const struct pair *pair, size_t page)
{
    const uint8_t *real = byte_at(pair, REAL, page), *library = byte_at(pair, LIBRARY, page);
    int equal = touch_equal(real, library, PAGE);
    if (equal > 0)
        return;
    if (equal == 0)
        tell_difference(pair, page, real, "the real call's twin");
    int a = touch_read(real), b = touch_read(library);
    if (a != b)
        fail("%s, slot %u: page %zu of %zu (address %p): reading gives signal %d code %d on the real call's "
             "twin, "
             "signal %d code %d on the library's",
             pair->kind->text, pair->slot, page, pair->pages, (const void *)library, a >> 8, a & 0xff, b >> 8,
             b & 0xff);
}

/* What a private page holds when nobody has written to it; NULL if the test does not know. */
static const uint8_t *fresh_content(const struct pair *pair, size_t page)
{
    int32_t source = pair->source[page];
    if (!(pair->kind->bits & K_PRIVATE) || source == -2)
        return NULL;
    return source < 0 ? zero : pair->image.content + (size_t)source * PAGE;
}

static void check_fresh(const struct pair *pair, size_t page)
{
    const uint8_t *want = fresh_content(pair, page);
    if (want && touch_equal(want, byte_at(pair, LIBRARY, page), PAGE) == 0)
        tell_difference(pair, page, want, "fresh content");
}

/* True if the page is settled without reading through an entry that is still empty. */
static bool settled_unread(const struct pair *pair, size_t page)
{
    bool real = entries[REAL][page] & ENTRY_USED, library = entries[LIBRARY][page] & ENTRY_USED;
    if ((pair->attributes[page] & A_UNREADABLE) || (real && library))
        return false;
    if (!real && !library)
        return true;
    if (pair->source[page] != -1 || !(pair->kind->bits & K_PRIVATE))
        return false;
    int equal = touch_equal(zero, byte_at(pair, real ? REAL : LIBRARY, page), PAGE);
    if (equal == 0)
        tell_difference(pair, page, byte_at(pair, REAL, page), "the real call's twin");
    return equal > 0;
}

void compare_pair(const struct pair *pair)
{
    bool known = read_entries(pair);
    for (size_t page = 0; page < pair->pages; page++) {
        bool settled = known && settled_unread(pair, page);
        if (!settled)
            compare_page(pair, page);
        if (anything_expected && expected[page] && !(known && !(entries[LIBRARY][page] & ENTRY_USED)))
            check_fresh(pair, page);
    }
    if (anything_expected)
        memset(expected, 0, sizeof expected);
    anything_expected = false;
}

void compare_all(void)
{
    for (unsigned i = 0; i < world.pair_count; i++)
        if (world.pairs[i].kind)
            compare_pair(&world.pairs[i]);
}

static void count_region(const struct pair *pair, const struct scan_region *region, size_t first, size_t end)
{
    size_t page = (region->start - (uintptr_t)pair->at[LIBRARY]) / PAGE;
    unsigned long pages = (region->end - region->start) / PAGE, categories = region->categories;
    uint32_t attributes = pair_any(pair, page, page + pages);
    bool anonymous = pair->source[page] == -1;
    if (categories & SCAN_SWAPPED) {
        if ((attributes & A_PAGED_OUT) && !(attributes & (A_GUARD | A_POISON | A_UFFD_WP)))
            count_row(ROW_swapped, pages);
    } else if (pair->kind->number == KIND_thp && (categories & SCAN_HUGE)) {
        bool whole = first % (HUGE / PAGE) == 0 && end % (HUGE / PAGE) == 0;
        count_row(categories & SCAN_PFNZERO ? ROW_huge_zero : whole ? ROW_thp : ROW_thp_split, 1);
    } else if (categories & SCAN_PFNZERO) {
        if (anonymous)
            count_row(attributes & A_KSM_ZERO ? ROW_ksm_zero : ROW_anon_zero, pages);
        else if (attributes & A_KSM_ZERO)
            count_row(ROW_ksm_zero_file, pages);
    }
}

void compare_survey(const struct pair *pair, size_t first, size_t end)
{
    static struct scan_region regions[REGIONS];
    unsigned dirty = 0;
    if (!world.survey || world.pagemap < 0 || first >= end)
        return;
    uintptr_t at = (uintptr_t)pair->at[LIBRARY];
    struct scan_arg arg = {.size = sizeof arg,
                           .start = at + first * PAGE,
                           .end = at + end * PAGE,
                           .vec = (uintptr_t)regions,
                           .vec_len = REGIONS,
                           .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
                           .return_mask = SCAN_FILE | SCAN_PRESENT | SCAN_SWAPPED | SCAN_PFNZERO | SCAN_HUGE};
    long count = raw_call(SYS_ioctl, world.pagemap, (long)IOCTL_PAGEMAP_SCAN, (long)&arg, 0, 0, 0);
    for (long i = 0; i < count; i++) {
        count_region(pair, &regions[i], first, end);
        dirty += !(regions[i].categories & (SCAN_PFNZERO | SCAN_FILE));
    }
    if (dirty >= MANY)
        count_row(ROW_many_runs, 1);
}
