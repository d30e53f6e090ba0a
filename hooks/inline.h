/* The inline sites of one object, patched. */
#ifndef HOOKS_INLINE_H
#define HOOKS_INLINE_H

#include "hooks/elf_file.h"
#include "hooks/patch.h"

struct inline_work {
    uint64_t bias;
    enum site_calls calls;
    bool entries; /* libc: only the sites at the start of madvise and process_madvise */
    enum patch_how how;
    bool retry; /* some sites may be patched already */
    /* number: of the system call; 0: not known. */
    void (*left)(void *context, uint64_t address, const char *kind, unsigned number, unsigned reason);
    void *context;
    unsigned patched;                /* result */
    bool again;                      /* result: some may be patched at a later try */
    uint64_t witness, witness_value; /* result: where one was patched, and the 8 bytes there; 0: none */
};

/* Patches what can be patched and says what was left. Returns 0 or -ENOMEM, with nothing patched. */
int inline_patch(struct inline_work *work, const struct elf_file *file);

#endif
