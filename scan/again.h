/* The reset of plain pieces (plain.h) of which is known what the last one found. */
#ifndef SCAN_AGAIN_H
#define SCAN_AGAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/piece.h"
#include "scan/regions.h"

/* Both return false where not all is done: the pieces are then to be reset anew, which is exact after this.
   vectors_free: as stores.h has it. Signal-safe, no allocation. */

/* Resets pieces by one scan, where that finds so many dirty pages, fewer than AGAIN_MOST, and none that only
   the kernel may touch; AGAIN_FEW need no large vector. *pages_scanned is what was looked at. Stack: 1.2 KiB.
 */
bool again_scanned(int pagemap, uintptr_t start, const struct piece *piece, unsigned count, uint64_t dirty,
                   bool vectors_free, uint64_t *pages_scanned);
enum { AGAIN_FEW = 32, AGAIN_MOST = REGIONS_MANY };

/* Writes pieces whole; anonymous ones by_vectors, however long they are: only where those are free. False
   where an image went away meanwhile. */
bool again_whole(uintptr_t start, const struct piece *piece, unsigned count, bool vectors_free,
                 bool by_vectors);

#endif
