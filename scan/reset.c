#include "scan/reset.h"

#include <errno.h>
#include <time.h>

#include "scan/pagemap.h"
#include "scan/prim.h"

/* After so many runs that only the real call may touch, one real call for all the rest is cheaper. */
enum { FORWARDED_RUNS = 16 };

/* The string instructions are as fast as vector code for whole pages (Zen 4: 36 ns a page either way), keep
   the vector registers as they are, and are not replaced by a sanitizer's memset. */
static void fill_with_zeroes(uintptr_t start, size_t length)
{
    void *to = (void *)start;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(0) : "memory");
}

static void copy_bytes(uintptr_t start, const char *from, size_t length)
{
    void *to = (void *)start;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

/* /dev/zero is read straight into user memory: an unwritable page makes it come back short, or EFAULT. */
static int fill_safely(int zero, uintptr_t start, size_t length)
{
    while (length) {
        long count = prim_read(zero, (void *)start, length);
        if (count <= 0)
            return count ? (int)count : -EFAULT;
        start += (uintptr_t)count;
        length -= (size_t)count;
    }
    return 0;
}

/* For a destination that may refuse the store, and for a source that may refuse the load: a file that is only
   promised to be stable may be truncated, and past its end is a SIGBUS. */
static int copy_safely(uintptr_t start, const char *from, size_t length)
{
    struct iovec to = {(void *)start, length}, source = {(void *)from, length};
    long count = prim_copy_safely(&to, &source, 1);
    return count == (long)length ? 0 : count < 0 ? (int)count : -EFAULT;
}

static int restore_run(const struct scan_files *files, const struct reset_piece *piece, uintptr_t start,
                       uintptr_t end)
{
    if (!piece->image) {
        if (piece->careful)
            return fill_safely(files->zero, start, end - start);
        fill_with_zeroes(start, end - start);
        return 0;
    }
    uint64_t offset = piece->offset + (start - piece->start);
    if (offset + (end - start) > piece->image->size)
        return -EFAULT;
    if (piece->careful || piece->image->kind == IMAGE_STABLE)
        return copy_safely(start, piece->image->view + offset, end - start);
    copy_bytes(start, piece->image->view + offset, end - start);
    return 0;
}

static int give_to_kernel(struct reset_account *account, uintptr_t start, uintptr_t end)
{
    account->real_calls++;
    account->pages_forwarded += (end - start) / PAGE;
    return (int)prim_madvise(start, end - start, account->advice);
}

static uint64_t clock_now(const uint64_t *wanted)
{
    struct timespec now;
    if (!wanted || clock_gettime(CLOCK_MONOTONIC, &now))
        return 0;
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int scan_once(struct pagemap_scan *scan, struct reset_account *account)
{
    uint64_t before = clock_now(account->scan_ns);
    uintptr_t from = scan->position;
    int count = pagemap_next(scan, account->pages_left);
    account->scans++;
    account->pages_scanned += (scan->position - from) / PAGE;
    if (account->scan_ns)
        *account->scan_ns += clock_now(account->scan_ns) - before;
    return count;
}

/* A swap entry, a guard or poison marker and a migrating page all show as SWAPPED: writing would swap in,
   fault or destroy, the real call is exact. A huge page is dropped or split as the real call does it. */
static int restore_regions(const struct scan_files *files, const struct reset_piece *piece,
                           const struct pagemap_scan *scan, int count, struct reset_account *account,
                           unsigned *forwarded_runs)
{
    int error = 0;
    uint64_t before = clock_now(account->restore_ns);
    for (int i = 0; i < count && !error; i++) {
        const struct page_region *run = &scan->regions[i];
        uint64_t pages = (run->end - run->start) / PAGE;
        if (run->categories & CATEGORY_FILE) {
            error = -ESTALE;
        } else if (run->categories & (CATEGORY_SWAPPED | CATEGORY_HUGE)) {
            error = give_to_kernel(account, run->start, run->end);
            ++*forwarded_runs;
        } else {
            error = restore_run(files, piece, run->start, run->end);
            account->pages_restored += pages;
            account->pages_left -= pages;
        }
    }
    if (account->restore_ns)
        *account->restore_ns += clock_now(account->restore_ns) - before;
    return error;
}

static int reset_scanned(const struct scan_files *files, const struct reset_piece *piece,
                         struct reset_account *account, uintptr_t *stopped)
{
    /* In anonymous memory asking for FILE reads every page's struct page: only when it is in doubt. The zero
       page is clean there; in a private file mapping it may be a CoWed page (KSM with use_zero_pages). */
    struct pagemap_scan scan = {
        .fd = files->pagemap,
        .position = piece->start,
        .end = piece->end,
        .clean = piece->image ? CATEGORY_FILE : CATEGORY_ZERO,
        .asked = CATEGORY_SWAPPED | CATEGORY_HUGE | (piece->unconfirmed ? CATEGORY_FILE : 0),
    };
    unsigned forwarded_runs = 0;
    while (scan.position < scan.end) {
        if (account->pages_left == 0 || forwarded_runs >= FORWARDED_RUNS) {
            *stopped = scan.position;
            return 1;
        }
        int count = scan_once(&scan, account);
        if (count < 0)
            return count;
        int error = restore_regions(files, piece, &scan, count, account, &forwarded_runs);
        if (error)
            return error;
    }
    return piece->image && !image_stands(piece->image) ? -ESTALE : 0;
}

static int reset_blind(const struct scan_files *files, const struct reset_piece *piece,
                       struct reset_account *account)
{
    uint64_t before = clock_now(account->restore_ns), pages = (piece->end - piece->start) / PAGE;
    int error = fill_safely(files->zero, piece->start, piece->end - piece->start);
    account->pages_restored += pages;
    account->pages_left -= pages;
    if (account->restore_ns)
        *account->restore_ns += clock_now(account->restore_ns) - before;
    return error;
}

int reset_piece(const struct scan_files *files, const struct reset_piece *piece,
                struct reset_account *account, uintptr_t *stopped)
{
    if (piece->method == RESET_BLIND && !piece->image)
        return reset_blind(files, piece, account);
    return reset_scanned(files, piece, account, stopped);
}
