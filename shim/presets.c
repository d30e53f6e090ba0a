#include "shim/presets.h"

#include "shim/options.h"

static const struct preset presets[] = {
    {"wasmtime", "file=*,image=stable,vma=cache;anon,vma=cache", HOOK_INLINE,
     "Wasmtime's pooling allocator: linear memories with their images, tables, async stacks. A precompiled "
     "module's "
     "own file is taken to be unchanging while it is mapped, as Wasmtime's contract says; what was asked "
     "about a mapping is remembered, as long as all mapping "
     "calls of the objects that are hooked can be seen",
     "libwasmtime 50.0.1, instances per second: see README"},
    {"wasmer", "anon;file=memfd:*", HOOK_PLT, "Wasmer's recycled instance memories", "not measured yet"},
    {"jemalloc", "anon,min=16K", HOOK_PLT,
     "jemalloc's extents: calloc of large ones, and purges where decay is set to 0",
     "5.3, numpy np.zeros: 3.3k to 26.8k iterations/s; calloc churn, dense: 25k to 297k/s"},
    {"mimalloc", "anon,min=16K", HOOK_PLT, "mimalloc's segments, where MIMALLOC_RESET_DELAY is 0",
     "2.0.9: 35k to 181k operations/s"},
    {"tcmalloc", "anon", HOOK_PLT, "gperftools' tcmalloc, where aggressive decommit is on",
     "236k to 370k operations/s"},
    {"glibc-stacks", "anon,caller=libc.so.6", HOOK_LIBC,
     "glibc's cache of thread stacks, and the trimming of its arenas",
     "pthread create and join with 52 KiB of stack used: 21-27k to 49k threads/s"},
    {"go", "anon", HOOK_INLINE, "the Go runtime's scavenger, in programs that use cgo", "no gain measured"},
};

const struct preset *preset_at(unsigned index)
{
    return index < sizeof presets / sizeof *presets ? &presets[index] : NULL;
}

const struct preset *preset_find(struct span name)
{
    for (unsigned i = 0; i < sizeof presets / sizeof *presets; i++)
        if (span_is(name, presets[i].name))
            return &presets[i];
    return NULL;
}
