/* The loader calls an empty function, whose address it publishes (r_brk), so that debuggers can stop there:
 *
 *      _dl_debug_state:  ret               becomes  jmp thunk
 *                        padding
 *      thunk:            jmp *on_change    and that returns to the loader
 *
 * Wrapping dlopen instead would change where it searches, which depends on its caller.
 */
#include "hooks/loader.h"

#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "hooks/objects.h"
#include "hooks/stub.h"
#include "hooks/thunk.h"

/* A look at new objects takes 16 KiB more stack than dlopen, whose caller may have no more than that needs.
 */
enum { STACK_BYTES = 256 << 10, GUARD_BYTES = 4096 };

/* Module state, set once; busy: the stack is in use. */
static struct {
    void (*told)(void);
    uint8_t *stack;
    atomic_flag busy;
} state = {.busy = ATOMIC_FLAG_INIT};

static void on_change(void)
{
    if (atomic_flag_test_and_set(&state.busy))
        return;
    hook_call_on(state.told, state.stack + STACK_BYTES);
    atomic_flag_clear(&state.busy);
}

static bool make_stack(void)
{
    uint8_t *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return false;
    mprotect(stack, GUARD_BYTES, PROT_NONE);
    state.stack = stack;
    return true;
}

/* Nothing but a ret, and then no other function's code within the jump's length: what lies behind it up to
   the next one is padding. */
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
    state.told = told;
    const uint8_t *thunk = make_stack() ? thunk_block_add_jump(&block, (uintptr_t)on_change) : NULL;
    reason = thunk_block_seal(&block);
    if (reason != SITE_patchable)
        return reason;
    reason = patch_entry(entry, thunk, how);
    if (reason != SITE_patchable)
        thunk_block_drop(&block);
    return reason;
}
