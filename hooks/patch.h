/* Changes the bytes of running code. All functions are for one thread at a time, off the call path. */
#ifndef HOOKS_PATCH_H
#define HOOKS_PATCH_H

#include <stddef.h>
#include <stdint.h>

#include "hooks/site_finder.h"

enum { PATCH_JUMP_LENGTH = 5 };

enum patch_how {
    PATCH_QUIET, /* no other thread exists, or none can be in this code: bytes are just written */
    PATCH_LIVE,  /* threads may run through it: int3 first, then the tail, then the first byte */
};

/* Does /proc/self/task show a single thread? */
enum patch_how patch_how_now(void);

/* Puts a jump to `thunk` in place of the site's mov. `mov` is where that lies in memory; `expected` are the
   site's bytes as the file has them, from the mov to the end of the syscall, `site` their shape (offsets
   count as differences only). Returns SITE_patchable, or why nothing was changed. Errors leave the code as it
   was. */
enum site_reason patch_site(uint8_t *mov, const uint8_t *expected, const struct site *site,
                            const uint8_t *thunk, enum patch_how how);

/* Puts the mov back. */
enum site_reason patch_undo(uint8_t *mov, const uint8_t *expected, const struct site *site,
                            const uint8_t *thunk, enum patch_how how);

/* Puts a jump to `thunk` over the PATCH_JUMP_LENGTH bytes at `entry`, which the caller has compared with what
   is expected there. Returns as patch_site. */
enum site_reason patch_entry(uint8_t *entry, const uint8_t *thunk, enum patch_how how);

/* Writes the byte at `code` anew, as it is, in both ways: makes every kind of system call that patching
 * makes. */
void patch_rehearse(uint8_t *code);

#endif
