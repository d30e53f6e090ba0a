/* Thunks: a few instructions for each patched site, in executable memory near the site's object. */
#ifndef HOOKS_THUNK_H
#define HOOKS_THUNK_H

#include <stddef.h>
#include <stdint.h>

#include "hooks/site_finder.h"

/* Room that one thunk takes: the copied instructions and the way to hook_stub. */
enum { THUNK_SIZE = 96 };

struct thunk_block {
    uint8_t *memory; /* NULL when there is none */
    size_t size, used;
};

/* Makes room for `count` thunks within a jump's reach of all code in [low, high). Writable until
   thunk_block_seal. Returns SITE_patchable, or SITE_no_thunk when the kernel gives no memory there. The
   memory is the caller's to keep for the life of the process: a thread may be in a thunk at any time.
   Allocates by mmap only. */
enum site_reason thunk_block_open(struct thunk_block *block, const uint8_t *low, const uint8_t *high,
                                  size_t count);

/* Writes the thunk of the site whose mov lies at `mov` in memory; `site` gives its shape, and its offsets
   count only as differences. It leads to `stub`, one of stub.h's. Returns where the thunk begins, or NULL
   when the block is full or too far away. The block is not sealed yet. */
const uint8_t *thunk_block_add(struct thunk_block *block, const uint8_t *mov, const struct site *site,
                               const char *stub);

/* Writes a jump to `target`, anywhere. Returns where it begins, or NULL when the block is full. */
const uint8_t *thunk_block_add_jump(struct thunk_block *block, uint64_t target);

/* Makes the block executable and no longer writable. Returns SITE_patchable, or SITE_no_thunk when the kernel
   refuses (SELinux, noexec policies): the block is unmapped then, and nothing may use it. */
enum site_reason thunk_block_seal(struct thunk_block *block);

/* Gives up a block that no site uses. */
void thunk_block_drop(struct thunk_block *block);

#endif
