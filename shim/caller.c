#include "shim/caller.h"

#include "scan/vma.h"
#include "shim/region.h"
#include "shim/state.h"

/* key is the address mixed with the answer, so that halves of two writers do not fit together. */
static struct {
    uint64_t key, matches;
} sites[64];

static __attribute__((noinline)) bool look_up(uintptr_t address, uint32_t *matches)
{
    char path[NAME_SHOWN];
    struct vma vma;
    int error = process.procmap ? vma_query_name(process.files.maps, address, &vma, path, sizeof path)
                                : vma_read(process.files.maps, address, &vma, path, sizeof path);
    *matches = error ? 0 : region_caller_matches(&process.rules, path);
    return !error;
}

uint32_t caller_matches(uintptr_t address)
{
    unsigned i = (unsigned)(address * 0x9e3779b97f4a7c15ULL >> 58);
    uint64_t matches = __atomic_load_n(&sites[i].matches, __ATOMIC_RELAXED);
    uint64_t key = __atomic_load_n(&sites[i].key, __ATOMIC_RELAXED);
    /* Bit 32 tells an answer of no match from an empty entry. */
    if ((key ^ matches) == address && matches)
        return (uint32_t)matches;
    uint32_t found;
    if (!look_up(address, &found))
        return 0;
    matches = found | 1ULL << 32;
    __atomic_store_n(&sites[i].matches, matches, __ATOMIC_RELAXED);
    __atomic_store_n(&sites[i].key, address ^ matches, __ATOMIC_RELAXED);
    return found;
}

void caller_forget_all(void)
{
    for (unsigned i = 0; i < sizeof sites / sizeof *sites; i++)
        __atomic_store_n(&sites[i].matches, 0, __ATOMIC_RELAXED);
}
