/* Slots: pointers to madvise, process_madvise and syscall that the dynamic linker filled in past us. */
#ifndef HOOKS_GOT_H
#define HOOKS_GOT_H

#include "hooks/elf_file.h"
#include "hooks/objects.h"

/* The three functions' addresses: ours, or those of one libc. */
struct got_functions {
    uint64_t madvise, process_madvise, syscall; /* 0: it has none */
};

struct got_work {
    struct got_functions ours;
    const struct got_functions *libc; /* of every namespace */
    size_t libc_count;
    /* A slot that is not yet resolved will lead to us: true only of the objects that were there at start. */
    bool lazy_is_ours;
    bool change; /* false: only count those that lead to us */
    void (*left)(void *context, uint64_t address, const char *kind, unsigned number, unsigned reason);
    void *context;
    unsigned plt, got;               /* results: lead to us already; changed */
    uint64_t witness, witness_value; /* one that was changed, and to what; 0: none */
};

/* Changes the slots of one object. The pages' protection is afterwards what it was. */
void got_change(struct got_work *work, const struct object *object, const struct elf_file *file);

#endif
