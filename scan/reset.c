#include "scan/reset.h"

#include <errno.h>

#include "scan/call_path.h"
#include "scan/pagemap.h"
#include "scan/plain.h"
#include "scan/prim.h"
#include "scan/regions.h"
#include "scan/stores.h"

/* After so many runs that only the real call may touch, one real call for all the rest is cheaper. */
enum { FORWARDED_RUNS = 16 };

static inline int restore_from_image(const struct image *image, uint64_t offset, uintptr_t start,
                                     size_t length, bool vectors_free)
{
    if (offset + length > image->size)
        return -EFAULT;
    if (image->kind == IMAGE_STABLE)
        return stores_copy_safely(start, image->view + offset, length);
    stores_copy(start, image->view + offset, length, vectors_free);
    return 0;
}

/* No vector registers: 80 ns a page. NULL stands for zeroes. */
static __attribute__((noinline)) bool page_equals(uintptr_t page, const char *snapshot)
{
    const uint64_t *now = (const uint64_t *)page, *then = (const uint64_t *)snapshot;
    for (unsigned i = 0; i < PAGE / sizeof *now; i += 8) {
        uint64_t differences = 0;
        for (unsigned word = i; word < i + 8; word++)
            differences |= now[word] ^ (then ? then[word] : 0);
        if (differences)
            return false;
    }
    return true;
}

static inline void store_zeroes(uintptr_t start, size_t length, bool streams, bool vectors_free)
{
    if (unlikely(streams))
        stores_stream(start, length);
    else
        stores_zeroes(start, length, vectors_free);
}

static inline int restore_zeroes(const struct scan_files *files, const struct reset_span *span,
                                 uintptr_t start, size_t length, bool vectors_free)
{
    if (span->unconfirmed)
        return stores_zeroes_safely(&files->zero, start, length);
    store_zeroes(start, length, length / PAGE <= span->streams, vectors_free);
    return 0;
}

static int give_to_kernel(struct reset_account *account, uintptr_t start, uintptr_t end)
{
    account->real_calls++;
    account->pages_forwarded += (end - start) / PAGE;
    return (int)prim_madvise(start, end - start, account->advice);
}

static uint64_t clock_if(bool timed)
{
    return unlikely(timed) ? prim_now() : 0;
}

ALWAYS_INLINE int scan_once(struct pagemap_scan *scan, struct reset_account *account)
{
    uint64_t before = clock_if(account->times != NULL);
    uintptr_t from = scan->position;
    int count = pagemap_next(scan, account->pages_left);
    account->scans++;
    account->pages_scanned += (scan->position - from) / PAGE;
    if (unlikely(account->times != NULL))
        account->times->scan_ns += prim_now() - before;
    return count;
}

/* A span in the middle of its scan. */
struct progress {
    const struct scan_files *files;
    const struct reset_span *span;
    struct reset_account *account;
    struct pagemap_scan scan;
    bool plain;     /* every page of it can be stored to with no more questions */
    unsigned piece; /* the piece that holds piece_start */
    uintptr_t piece_start;
    uint64_t restored; /* pages, of the runs at hand */
    unsigned forwarded_runs;
};

/* Of an audit: counts the pages of a run's part in one piece that nobody wrote to, as far as can be seen: an
   image that may be cut short is not read. */
static __attribute__((noinline, cold)) void note_unneeded(struct progress *progress, uintptr_t start,
                                                          uintptr_t end, uint64_t categories)
{
    const struct piece *piece = &progress->span->piece[progress->piece];
    const char *snapshot = NULL;
    if (piece_is_anonymous(piece) ? categories & CATEGORY_ZERO || progress->span->unconfirmed
                                  : !piece_is_plain(piece, progress->piece_start))
        return;
    if (!piece_is_anonymous(piece))
        snapshot = piece->image.view + piece->offset + (start - progress->piece_start);
    for (uintptr_t at = start; at < end; at += PAGE) {
        progress->account->pages_unneeded += page_equals(at, snapshot);
        snapshot += snapshot ? PAGE : 0;
    }
}

/* Restores one run's part in one piece. */
static inline int restore_part(struct progress *progress, uintptr_t start, uintptr_t end, uint64_t categories)
{
    const struct piece *piece = &progress->span->piece[progress->piece];
    bool vectors_free = progress->account->vectors_free;
    if (piece_is_anonymous(piece) && categories & CATEGORY_ZERO)
        return 0;
    progress->restored += (end - start) / PAGE;
    if (piece_is_anonymous(piece))
        return restore_zeroes(progress->files, progress->span, start, end - start, vectors_free);
    return restore_from_image(&piece->image, piece->offset + (start - progress->piece_start), start,
                              end - start, vectors_free);
}

/* A run of any kind: one that only the kernel may touch, or that reaches into the next piece. */
static __attribute__((noinline)) int restore_run(struct progress *progress, const struct page_region *run)
{
    int error = 0;
    if (run->categories & CATEGORY_FILE)
        return -ESTALE;
    /* A swap entry, a guard or poison marker and a migrating page all show as SWAPPED: writing would swap in,
       fault or destroy, the real call is exact. A huge page is dropped or split as the real call does it. */
    if (run->categories & (CATEGORY_SWAPPED | CATEGORY_HUGE) && !(run->categories & CATEGORY_ZERO)) {
        progress->forwarded_runs++;
        return give_to_kernel(progress->account, run->start, run->end);
    }
    for (uintptr_t at = run->start; at < run->end && !error;) {
        const struct piece *piece = &progress->span->piece[progress->piece];
        if (at >= piece->end) {
            progress->piece_start = piece->end;
            progress->piece++;
            continue;
        }
        uintptr_t end = run->end < piece->end ? run->end : piece->end;
        if (unlikely(progress->account->audit))
            note_unneeded(progress, at, end, run->categories);
        error = restore_part(progress, at, end, run->categories);
        at = end;
    }
    return error;
}

/* Of a plain span, those within the piece at hand. */
static struct page_region *restore_plain_runs(struct progress *progress, struct page_region *run,
                                              const struct page_region *behind, uintptr_t *from)
{
    const struct piece *piece = &progress->span->piece[progress->piece];
    uintptr_t end = piece->end < progress->scan.position ? piece->end : progress->scan.position;
    return plain_restore_runs(piece, progress->piece_start, run, behind, from, end,
                              progress->account->vectors_free, &progress->restored);
}

/* The dirty runs of one scan, which began at from. */
static int restore_runs(struct progress *progress, uintptr_t from, int count)
{
    struct page_region *run = progress->scan.regions, *behind = run + count;
    int error = 0;
    while (run < behind && !error) {
        if (progress->plain)
            run = restore_plain_runs(progress, run, behind, &from);
        if (run < behind) {
            error = run_is_within(run, from, progress->scan.position) ? restore_run(progress, run) : -EIO;
            from = run++->end;
        }
    }
    return error;
}

/* ... and what lies between the runs of a scan for the complement, in one piece. */
static int restore_between(struct progress *progress, uintptr_t from, int count)
{
    const struct pagemap_scan *scan = &progress->scan;
    int error = 0;
    for (int i = 0; i < count && !error; i++) {
        const struct page_region *run = &scan->regions[i];
        if (!run_is_within(run, from, scan->position))
            return -EIO;
        if (from < run->start)
            error = restore_part(progress, from, run->start, 0);
        if (!error && run->categories && !(run->categories & scan->clean))
            error = restore_run(progress, run);
        from = run->end;
    }
    return error || from == scan->position ? error : restore_part(progress, from, scan->position, 0);
}

/* What one scan found, which began at from. */
static int restore_found(struct progress *progress, uintptr_t from, int count)
{
    struct reset_account *account = progress->account;
    uint64_t before = clock_if(account->times != NULL);
    int error = unlikely(progress->scan.complement) ? restore_between(progress, from, count)
                                                    : restore_runs(progress, from, count);
    if (unlikely(progress->span->streams != 0))
        stores_fence();
    account->pages_restored += progress->restored;
    account->pages_left -= progress->restored;
    progress->restored = 0;
    if (unlikely(account->times != NULL))
        account->times->restore_ns += prim_now() - before;
    return error;
}

static int images_stand(const struct reset_span *span)
{
    return pieces_stand(span->piece, span->count) ? 0 : -ESTALE;
}

/* Chooses what the scan asks, and says how what it finds is restored. */
ALWAYS_INLINE void choose_categories(struct progress *progress)
{
    const struct reset_span *span = progress->span;
    struct pagemap_scan *scan = &progress->scan;
    uintptr_t start = span->start;
    progress->plain = !(progress->account->audit | span->unconfirmed | (span->streams != 0));
    for (unsigned i = 0; i < span->count; start = span->piece[i++].end)
        progress->plain &= piece_is_plain(&span->piece[i], start);
    pieces_choose_categories(span->piece, span->count, scan);
    /* The mapping is in doubt. */
    if (unlikely(span->unconfirmed))
        scan->asked |= CATEGORY_FILE;
    scan->complement = span->mostly_dirty;
    if (unlikely(scan->complement))
        scan->asked |= scan->clean;
}

ALWAYS_INLINE int scan_through(const struct scan_files *files, const struct reset_span *span,
                               struct reset_account *account, struct page_region *regions, unsigned capacity,
                               uintptr_t *stopped)
{
    /* By assignments: an initialiser clears it all first. */
    struct progress progress;
    progress.files = files;
    progress.span = span;
    progress.account = account;
    progress.piece = progress.forwarded_runs = 0;
    progress.piece_start = span->start;
    progress.restored = 0;
    progress.scan.fd = files->pagemap;
    progress.scan.position = span->start;
    progress.scan.end = span->piece[span->count - 1].end;
    progress.scan.slice = 0;
    progress.scan.regions = regions;
    progress.scan.capacity = capacity;
    choose_categories(&progress);
    while (progress.scan.position < progress.scan.end) {
        uintptr_t from = progress.scan.position;
        if (unlikely(account->pages_left == 0 || progress.forwarded_runs >= FORWARDED_RUNS)) {
            *stopped = from;
            int error = images_stand(span);
            return error ? error : 1;
        }
        int count = scan_once(&progress.scan, account);
        int error = count < 0 ? count : restore_found(&progress, from, count);
        if (unlikely(error))
            return error;
    }
    return progress.scan.file_end ? images_stand(span) : 0;
}

static __attribute__((noinline)) int scan_on_stack(const struct scan_files *files,
                                                   const struct reset_span *span,
                                                   struct reset_account *account, uintptr_t *stopped)
{
    struct page_region regions[REGIONS_FEW];
    return scan_through(files, span, account, regions, REGIONS_FEW, stopped);
}

static __attribute__((noinline)) int scan_in_vector(const struct scan_files *files,
                                                    const struct reset_span *span,
                                                    struct reset_account *account,
                                                    struct page_region *regions, uintptr_t *stopped)
{
    return scan_through(files, span, account, regions, REGIONS_MANY, stopped);
}

int reset_scanned(const struct scan_files *files, const struct reset_span *span,
                  struct reset_account *account, uintptr_t *stopped)
{
    struct loan claim;
    /* An audit goes deeper, and is rare. */
    bool few = span->expected && span->expected < REGIONS_FEW && !account->audit;
    struct page_region *regions = few ? NULL : regions_claim(&claim);
    if (!regions)
        return scan_on_stack(files, span, account, stopped);
    int result = scan_in_vector(files, span, account, regions, stopped);
    regions_release(&claim);
    return result;
}

static inline void store_whole(uintptr_t start, size_t length, bool streams,
                               const struct reset_account *account)
{
    if (account->by_vectors && !streams)
        stores_zeroes_by_vectors(start, length);
    else
        store_zeroes(start, length, streams, account->vectors_free);
}

int reset_blind(const struct scan_files *files, uintptr_t start, const struct piece *piece, bool stores_safe,
                bool streams, struct reset_account *account)
{
    uint64_t before = clock_if(account->time_blind), pages = (piece->end - start) / PAGE;
    bool vectors_free = account->vectors_free;
    int error = 0;
    if (!piece_is_anonymous(piece))
        error = restore_from_image(&piece->image, piece->offset, start, piece->end - start, vectors_free);
    else if (stores_safe)
        store_whole(start, piece->end - start, streams, account);
    else
        error = stores_zeroes_safely(&files->zero, start, piece->end - start);
    if (streams)
        stores_fence();
    if (!error && !piece_stands(piece))
        error = -ESTALE;
    account->pages_restored += pages;
    account->pages_left -= pages;
    if (unlikely(account->time_blind))
        account->blind_ns += prim_now() - before;
    return error;
}
