/* One exact reset of a span of memory: dirty pages are written back, clean ones stay, and what must not be
   written to is given to the real madvise. Knows nothing of who asked. */
#ifndef SCAN_RESET_H
#define SCAN_RESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/files.h"
#include "scan/piece.h"

/* Adjacent pieces that are scanned as one. */
struct reset_span {
    uintptr_t start;
    const struct piece *piece;
    unsigned count;
    uint32_t expected; /* about how many pages a scan will report: a hint; 0: not known */
    bool mostly_dirty; /* a hint; only for a single piece that is not unconfirmed, all of whose pages may be
                          restored, and not in an audit */
    uint64_t streams;  /* runs of up to so many pages are for memory, as the caches do not hold all that is
                          written: a hint */
    bool unconfirmed; /* nobody asked the kernel about these mappings just now: store only in ways that cannot
                         fault, and give up at a page that no anonymous mapping has. Anonymous pieces only */
};

struct reset_times {
    uint64_t scan_ns, restore_ns, forward_ns;
};

/* One call's bounds and results, over all its spans. */
struct reset_account {
    int advice; /* MADV_DONTNEED or MADV_DONTNEED_LOCKED, for the pages given to the real call */
    uint32_t scans, real_calls;
    bool audit;          /* compare pages with their snapshot before they are restored */
    bool vectors_free;   /* the caller's vector registers may be changed (stores.h), */
    bool by_vectors;     /* ... and are to be used for anonymous pieces that are written whole */
    uint64_t pages_left; /* how many dirty pages may still be restored */
    uint64_t pages_scanned, pages_restored, pages_forwarded;
    uint64_t pages_unneeded;   /* of an audit: of pages_restored, those that were equal to the snapshot */
    struct reset_times *times; /* where to add time; NULL: do not read the clock, */
    bool time_blind;           /* ... but for blind restores, whose time comes out: */
    uint64_t blind_ns;
};

/* Before the first span. Assigned one by one: clearing by an initialiser costs 5 ns. */
static inline void reset_account_begin(struct reset_account *account, int advice, bool audit,
                                       bool vectors_free, struct reset_times *times)
{
    account->advice = advice;
    account->scans = account->real_calls = 0;
    account->audit = audit;
    account->vectors_free = vectors_free;
    account->by_vectors = false;
    account->pages_left = 0;
    account->pages_scanned = account->pages_restored = account->pages_forwarded = 0;
    account->pages_unneeded = 0;
    account->times = times;
    account->time_blind = times != NULL;
    account->blind_ns = 0;
}

/* Scans the span and restores what is dirty. Returns 0 when all of it is done, 1 when pages_left is spent:
   *stopped is then where the real call must go on. A negative errno says that the caller must give the whole
   range of the call to the real madvise, which is exact after any partial reset: errors of PAGEMAP_SCAN,
   EFAULT of a write that could not be made, ESTALE of an image that went away, or the real madvise's own.
   Stack: 0.8 KiB. Signal-safe, no allocation. */
int reset_scanned(const struct scan_files *files, const struct reset_span *span,
                  struct reset_account *account, uintptr_t *stopped);

/* Writes a whole piece without asking which pages are dirty. stores_safe: by plain stores; else, for
   anonymous memory only, in a way that cannot fault: EFAULT where a store would (a guard page, a changed
   protection). streams: it goes past the caches. Returns 0 or a negative errno, as above. */
int reset_blind(const struct scan_files *files, uintptr_t start, const struct piece *piece, bool stores_safe,
                bool streams, struct reset_account *account);

#endif
