#include "hooks/inline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/objects.h"
#include "hooks/site_list.h"
#include "hooks/stub.h"
#include "hooks/thunk.h"

/* The number's mov comes first but for an endbr64 and, in process_madvise, a move of the fourth argument. */
enum { ENTRY_MOV_MOST = 8 };

struct pass {
    struct inline_work *work;
    const struct elf_file *file;
    struct file_site *site; /* those that can be patched */
    const uint8_t **thunk;
    size_t count, room;
    bool no_memory;
    uint64_t madvise, process_madvise; /* for entries: addresses in the file; 0: none */
    bool has_madvise;
};

static const char *kind_of(const struct inline_work *work)
{
    return work->entries ? "libc" : "inline";
}

static void leave(const struct inline_work *work, const struct file_site *site, unsigned reason)
{
    work->left(work->context, site->mov + work->bias, kind_of(work), site->number, reason);
}

static bool is_entry(const struct pass *pass, const struct file_site *site)
{
    uint64_t function = site->number == SITE_CALL_madvise ? pass->madvise : pass->process_madvise;
    return function && site->mov >= function && site->mov - function <= ENTRY_MOV_MOST;
}

/* Go's compiler describes no frames for unwinders, and C's does: its code is in Go's objects too (cgo), and
   has neither a small stack nor Go's handlers. */
static bool is_in_little_stack(const struct pass *pass, const struct file_site *site)
{
    struct elf_extent function;
    return pass->file->is_go && !elf_unwind_at(pass->file, site->mov, &function);
}

static bool collect(void *context, const struct file_site *site)
{
    struct pass *pass = context;
    if (pass->work->entries) {
        if (!is_entry(pass, site))
            return true; /* another function's: it is not asked for, and need not be counted */
        pass->has_madvise |= site->number == SITE_CALL_madvise;
    }
    if (site->number == SITE_CALL_process_madvise && is_in_little_stack(pass, site)) {
        leave(pass->work, site, SITE_small_stack);
        return true;
    }
    if (site->reason != SITE_patchable) {
        leave(pass->work, site, site->reason);
        return true;
    }
    if (pass->count == pass->room) {
        size_t room = pass->room ? 2 * pass->room : 16;
        struct file_site *grown = realloc(pass->site, room * sizeof *grown);
        if (!grown) {
            pass->no_memory = true;
            return false;
        }
        pass->site = grown;
        pass->room = room;
    }
    pass->site[pass->count++] = *site;
    return true;
}

static struct site shape_of(const struct file_site *site)
{
    return (struct site){.syscall = (uint32_t)(site->syscall - site->mov),
                         .number = site->number,
                         .mov_length = site->mov_length,
                         .between = site->between,
                         .reason = site->reason};
}

static uint8_t *mov_of(const struct pass *pass, size_t i)
{
    return (uint8_t *)(uintptr_t)(pass->site[i].mov + pass->work->bias);
}

/* Memory may differ from the file (another tool's patch, text relocations): such sites are given up before a
   thunk copies anything. */
static bool is_as_in_file(const struct pass *pass, size_t i)
{
    uint8_t bytes[SITE_BYTES_MOST];
    const struct file_site *site = &pass->site[i];
    return site->bytes && site->size <= sizeof bytes &&
           memory_read(site->mov + pass->work->bias, bytes, site->size) &&
           memcmp(bytes, site->bytes, site->size) == 0;
}

/* Of an earlier try at the same object: then the mov is a jump, to one of the thunks near it. */
static bool is_patched(const struct pass *pass, size_t i)
{
    uint8_t first;
    return pass->work->retry && memory_read(pass->site[i].mov + pass->work->bias, &first, 1) && first == 0xe9;
}

/* All thunks are written and sealed before the first site leads to one. */
static enum site_reason make_thunks(struct pass *pass)
{
    struct thunk_block block;
    const uint8_t *low = mov_of(pass, 0), *high = mov_of(pass, pass->count - 1) + SITE_BYTES_MOST;
    enum site_reason reason = thunk_block_open(&block, low, high, pass->count);
    if (reason != SITE_patchable)
        return reason;
    for (size_t i = 0; i < pass->count; i++) {
        struct site shape = shape_of(&pass->site[i]);
        const char *stub = is_in_little_stack(pass, &pass->site[i]) ? hook_stub_in_little_stack : hook_stub;
        pass->thunk[i] =
            is_as_in_file(pass, i) ? thunk_block_add(&block, mov_of(pass, i), &shape, stub) : NULL;
    }
    return thunk_block_seal(&block);
}

static void patch_all(struct pass *pass)
{
    struct inline_work *work = pass->work;
    enum site_reason stop = SITE_patchable; /* a refusal that all others would meet too, after some waiting */
    for (size_t i = 0; i < pass->count; i++) {
        struct site shape = shape_of(&pass->site[i]);
        enum site_reason reason = stop;
        if (is_patched(pass, i)) {
            work->patched++;
            continue;
        }
        if (!pass->thunk[i])
            reason = SITE_mismatch;
        else if (stop == SITE_patchable)
            reason = patch_site(mov_of(pass, i), pass->site[i].bytes, &shape, pass->thunk[i], work->how);
        if (reason == SITE_patchable) {
            work->patched++;
            work->witness = (uintptr_t)mov_of(pass, i);
            memory_read(work->witness, &work->witness_value, sizeof work->witness_value);
            continue;
        }
        if (reason == SITE_trap_blocked || reason == SITE_traced) {
            stop = reason;
            work->again = true;
        }
        leave(work, &pass->site[i], reason);
    }
}

int inline_patch(struct inline_work *work, const struct elf_file *file)
{
    struct pass pass = {.work = work, .file = file};
    if (work->entries) {
        elf_defines(file, "madvise", &pass.madvise);
        elf_defines(file, "process_madvise", &pass.process_madvise);
    }
    int error = site_list(file, work->entries ? SITE_CALLS_RESETS : work->calls, collect, &pass);
    if (pass.no_memory)
        error = -ENOMEM;
    if (work->entries && !pass.has_madvise && pass.madvise)
        work->left(work->context, pass.madvise + work->bias, "libc", SITE_CALL_madvise, SITE_no_entry);
    if (!error && pass.count) {
        pass.thunk = calloc(pass.count, sizeof *pass.thunk);
        enum site_reason reason = pass.thunk ? make_thunks(&pass) : SITE_no_thunk;
        if (reason == SITE_patchable)
            patch_all(&pass);
        else
            for (size_t i = 0; i < pass.count; i++)
                leave(work, &pass.site[i], reason);
    }
    free(pass.thunk);
    free(pass.site);
    return error;
}
