/* The loader calls an empty function, whose address it publishes (r_brk), so that debuggers can stop there:
 *
 *      _dl_debug_state:  ret               becomes  jmp thunk
 *                        padding
 *      thunk:            jmp *told         and told returns to the loader
 *
 * Wrapping dlopen instead would change where it searches, which depends on its caller.
 */
#include "hooks/loader.h"

#include <link.h>
#include <string.h>

#include "hooks/objects.h"
#include "hooks/thunk.h"

/* Nothing but a ret, and then no other function's code within the jump's length: what lies behind it up to the
   next one is padding. */
static bool is_empty(const struct elf_file *file, uint64_t address, const uint8_t *code)
{
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    struct elf_extent function;
    unsigned ret = memcmp(code, endbr64, sizeof endbr64) == 0 ? sizeof endbr64 : 0;
    if (code[ret] != 0xc3 || !elf_unwind_at(file, address, &function) || function.address != address)
        return false;
    for (unsigned i = ret + 1; i < PATCH_JUMP_LENGTH; i++)
        if (elf_unwind_at(file, address + i, &function))
            return false;
    return true;
}

enum site_reason loader_watch(const struct elf_file *file, uint64_t bias, void (*told)(void),
                              enum patch_how how)
{
    struct thunk_block block;
    uint8_t *entry = (uint8_t *)(uintptr_t)_r_debug.r_brk, here[PATCH_JUMP_LENGTH];
    uint64_t address = (uintptr_t)entry - bias;
    const uint8_t *code = elf_file_at(file, address, PATCH_JUMP_LENGTH);
    if (!code || !is_empty(file, address, code))
        return SITE_no_entry;
    if (!memory_read((uintptr_t)entry, here, sizeof here) || memcmp(here, code, sizeof here) != 0)
        return SITE_mismatch; /* a debugger's breakpoint, perhaps */
    enum site_reason reason = thunk_block_open(&block, entry, entry + PATCH_JUMP_LENGTH, 1);
    if (reason != SITE_patchable)
        return reason;
    const uint8_t *thunk = thunk_block_add_jump(&block, (uintptr_t)told);
    reason = thunk_block_seal(&block);
    if (reason != SITE_patchable)
        return reason;
    reason = patch_entry(entry, thunk, how);
    if (reason != SITE_patchable)
        thunk_block_drop(&block);
    return reason;
}
