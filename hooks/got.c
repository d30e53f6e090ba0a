#include "hooks/got.h"

#include <string.h>
#include <sys/mman.h>

#include "hooks/proc_text.h"
#include "hooks/site_finder.h"

enum { PAGE_BYTES = 4096 };

struct pass {
    struct got_work *work;
    const struct object *object;
    const struct elf_file *file;
};

static uint64_t function_named(const struct got_functions *functions, const char *name)
{
    return strcmp(name, "madvise") == 0   ? functions->madvise
           : strcmp(name, "syscall") == 0 ? functions->syscall
                                          : functions->process_madvise;
}

static bool is_some_libc(const struct got_work *work, const char *name, uint64_t value)
{
    for (size_t i = 0; i < work->libc_count; i++)
        if (function_named(&work->libc[i], name) == value)
            return true;
    return false;
}

/* A slot of the PLT that waits for its first call holds an address of its own object. */
static bool is_unresolved(const struct pass *pass, uint64_t value)
{
    for (size_t i = 0; i < pass->file->segment_count; i++) {
        const struct elf_segment *s = &pass->file->segments[i];
        if (value - pass->object->bias - s->address < s->memory_size)
            return true;
    }
    return false;
}

/* A pointer is aligned, so the store is whole; another thread calls through the old one or the new one. */
static bool store(uint64_t address, uint64_t value)
{
    uint8_t *page = (uint8_t *)(uintptr_t)(address & -(uint64_t)PAGE_BYTES);
    int protection = proc_protection((const void *)(uintptr_t)address, sizeof value);
    bool sealed = protection >= 0 && !(protection & PROT_WRITE); /* RELRO */
    if (protection < 0 || address % sizeof value != 0)
        return false;
    if (sealed && mprotect(page, PAGE_BYTES, protection | PROT_WRITE) < 0)
        return false;
    __atomic_store_n((uint64_t *)(uintptr_t)address, value, __ATOMIC_RELEASE);
    if (sealed)
        mprotect(page, PAGE_BYTES, protection);
    return true;
}

static bool on_slot(void *context, const struct elf_slot *slot)
{
    struct pass *pass = context;
    struct got_work *work = pass->work;
    uint64_t address = slot->address + pass->object->bias, value,
             ours = function_named(&work->ours, slot->name);
    const char *kind = slot->type == R_X86_64_JUMP_SLOT ? "plt" : "got";
    if (!memory_read(address, &value, sizeof value) || value == 0 || !ours)
        return true; /* a weak reference that nothing answers */
    bool lazy = slot->type == R_X86_64_JUMP_SLOT && is_unresolved(pass, value);
    if (value == ours || (lazy && work->lazy_is_ours)) {
        work->plt++;
    } else if (work->change) {
        unsigned reason = lazy || is_some_libc(work, slot->name, value) ? SITE_patchable : SITE_slot;
        if (reason == SITE_patchable && !store(address, ours))
            reason = SITE_unwritable;
        if (reason != SITE_patchable) {
            work->left(work->context, address, kind, SITE_CALL_madvise, reason);
            return true;
        }
        work->got++;
        work->witness = address;
        work->witness_value = ours;
    }
    return true;
}

void got_change(struct got_work *work, const struct object *object, const struct elf_file *file)
{
    struct pass pass = {work, object, file};
    elf_slots(file, on_slot, &pass);
}
