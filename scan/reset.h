/* One exact reset of one piece of memory: dirty pages are written back, clean ones stay, and what must not
   be written to is given to the real madvise. Knows nothing of who asked. */
#ifndef SCAN_RESET_H
#define SCAN_RESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/files.h"
#include "scan/image.h"

enum reset_method {
    RESET_SCAN,  /* ask which pages are dirty, restore those */
    RESET_BLIND, /* restore all of an anonymous piece, in a way that cannot fault */
};

/* A page-aligned piece within one mapping, which is private, readable and writable. */
struct reset_piece {
    uintptr_t start, end;
    const struct image *image; /* NULL: anonymous, its snapshot is zeroes */
    uint64_t offset;           /* of start in the image, bytes */
    enum reset_method method;
    bool careful;     /* store only in ways that cannot fault */
    bool unconfirmed; /* nobody asked the kernel about this mapping just now: give up at a page that no
                         anonymous mapping has. Implies careful */
};

/* One call's bounds and results, over all its pieces. */
struct reset_account {
    int advice;          /* MADV_DONTNEED or MADV_DONTNEED_LOCKED, for the pages given to the real call */
    uint64_t pages_left; /* how many dirty pages may still be restored */
    uint64_t pages_scanned, pages_restored, pages_forwarded;
    uint32_t scans, real_calls;
    uint64_t *scan_ns, *restore_ns; /* where to add time; NULL: do not read the clock */
};

/* Resets the piece. Returns 0 when all of it is done, 1 when pages_left is spent: *stopped is then where the
   real call must go on. A negative errno says that the caller must give the whole range of the call to the
   real madvise, which is exact after any partial reset: errors of PAGEMAP_SCAN, EFAULT of a write that could
   not be made, ESTALE of an image that went away, or the real madvise's own. Stack: under 1.2 KiB.
   Signal-safe, no allocation. */
int reset_piece(const struct scan_files *files, const struct reset_piece *piece,
                struct reset_account *account, uintptr_t *stopped);

#endif
