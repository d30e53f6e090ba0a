/* A test's own site, ready to be patched. */
#ifndef TEST_UNIT_PATCHED_H
#define TEST_UNIT_PATCHED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/patch.h"
#include "hooks/stub.h"
#include "hooks/thunk.h"
#include "test/unit/stub_machine.h"

struct patched {
    uint8_t *mov;
    const uint8_t *thunk;
    struct site site;
    uint8_t expected[64];
    struct thunk_block block;
};

/* Finds the one site of a function and makes its thunk, for test_decide. Ends the test if that does not work.
 */
static inline struct patched prepare(const void *function, uint32_t size)
{
    struct patched p = {0};
    uint8_t marks[4096];
    uint8_t *code = (uint8_t *)(uintptr_t)function;
    if (site_find(SITE_CALLS_RESETS, code, size, NULL, 0, marks, &p.site, 1) != 1 ||
        p.site.reason != SITE_patchable) {
        fprintf(stderr, "no patchable site: %s\n", site_reason_name(p.site.reason));
        abort();
    }
    p.mov = code + p.site.mov;
    memcpy(p.expected, p.mov, p.site.syscall + 2 - p.site.mov);
    if (thunk_block_open(&p.block, code, code + size, 1) != SITE_patchable ||
        !(p.thunk = thunk_block_add(&p.block, p.mov, &p.site, hook_stub)) ||
        thunk_block_seal(&p.block) != SITE_patchable)
        abort();
    hook_decide_now = test_decide;
    return p;
}

#endif
