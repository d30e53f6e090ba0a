/* The table of groups. Most episodes are without anything that makes a library give up for the whole process.
 */
#include "groups.h"

#include <stdint.h>
#include <stddef.h>

#include "machine.h"
#include "pair.h"
#include "place.h"
#include "random.h"

#define ANON KIND_BIT(anon)
#define SEALED (KIND_BIT(memfd_sealed) | KIND_BIT(memfd_growing) | KIND_BIT(image_anon))
#define LOOSE                                                                                                \
    (KIND_BIT(memfd_future) | KIND_BIT(memfd_open) | KIND_BIT(file) | KIND_BIT(file_stable) |                \
     KIND_BIT(file_anon))
#define SHARED (KIND_BIT(shared_anon) | KIND_BIT(shared_memfd) | KIND_BIT(shared_file))
#define POOL (ANON | SEALED)
#define ALL (POOL | LOOSE | SHARED | KIND_BIT(zero_device))
#define STABLE                                                                                               \
    (ANON | KIND_BIT(memfd_sealed) | KIND_BIT(image_anon) | KIND_BIT(file_stable) | KIND_BIT(file_anon))
#define SEAL (KIND_BIT(mseal_read) | KIND_BIT(mseal_write))
#define LARGE (KIND_BIT(anon_large) | KIND_BIT(memfd_large))
#define KSM (KIND_BIT(ksm_anon) | KIND_BIT(ksm_memfd))

#define PLAIN (OPS_BASE | OPS_RENEW | OPS_CALLS)
#define FULL (PLAIN | OPS_MAP | OPS_FILE | OPS_VECTOR)

/* Half of the slots, and the first ten pages of one more. */
#define SOME_SLOTS "range=110000000000-11000420a000"

/* name, weight, steps, pairs, rules, options, kinds, classes, place, in places, must serve */
static const struct group groups[] = {
    {"any", 200, 2500, 7, "any", "", ALL, FULL, PLACE_none, true, 3},
    {"pool", 170, 2500, 6, "any", "", POOL, PLAIN, PLACE_none, true, 15},
    {"keep-0", 30, 2500, 6, "any,keep=0", "", ALL, FULL, PLACE_none, true, 0},
    {"keep-4k", 50, 2500, 6, "any,keep=4K", "", POOL, FULL, PLACE_none, true, 5},
    {"keep-64k", 50, 2500, 6, "any", "keep=64K", POOL, PLAIN, PLACE_none, false, 10},
    {"anon", 40, 2500, 7, "anon", "", ALL, FULL, PLACE_none, true, 3},
    {"files", 40, 2500, 7, "file=memfd:twin*;file=*/twin-*,keep=8K", "", ALL, FULL, PLACE_none, false, 2},
    {"range", 40, 2500, 7, SOME_SLOTS, "", POOL, FULL, PLACE_none, true, 2},
    {"budget", 28, 2500, 7, "any", "budget=8K", POOL, FULL, PLACE_none, false, 1},
    {"restore", 45, 2500, 6, "any,policy=restore", "", ALL, FULL, PLACE_none, true, 3},
    {"scan", 45, 2500, 6, "any,policy=scan", "", ALL, FULL, PLACE_none, false, 3},
    {"forward", 10, 1500, 6, "any,policy=forward", "", POOL, FULL, PLACE_none, false, 0},
    {"lengths", 20, 2500, 6, "any,min=8K,max=64K", "", POOL, FULL, PLACE_none, false, 2},
    {"rules", 20, 2500, 7, "anon,max=16K,keep=8K;" SOME_SLOTS ",policy=restore;any,keep=64K,policy=scan", "",
     ALL, FULL, PLACE_none, false, 3},
    {"cache", 50, 2500, 6, "any,vma=cache", "", ALL, FULL, PLACE_none, true, 3},
    {"routes", 40, 2500, 6, "any,vma=cache", "hooks=inline", ALL, FULL | OPS_ROUTES, PLACE_none, false, 3},
    {"routes-scan", 15, 2500, 6, "any,vma=cache,policy=scan", "hooks=inline", POOL, FULL | OPS_ROUTES,
     PLACE_none, false, 3},
    {"routes-verify", 15, 1500, 6, "any,vma=cache", "hooks=inline,mode=verify", ALL, FULL | OPS_ROUTES,
     PLACE_none, false, 3},
    {"stable", 30, 2500, 6, "file=*,image=stable;anon", "", STABLE, FULL, PLACE_none, false, 5},
    {"verify", 30, 1500, 6, "any", "mode=verify", ALL, FULL, PLACE_none, false, 3},
    {"verify-restore", 10, 1500, 6, "any,policy=restore,keep=16K", "mode=verify", POOL, FULL, PLACE_none,
     false, 3},
    {"off", 8, 1000, 5, "any", "mode=off", POOL, FULL, PLACE_none, false, 0},
    {"observe", 20, 2500, 6, "any", "mode=observe", ALL, FULL, PLACE_none, false, 0},
    {"observe-all", 8, 1000, 5, NULL, "mode=observe", ALL, FULL, PLACE_none, false, 0},
    {"turns", 24, 2500, 6, "any", "mode=ab=20ms", POOL, FULL | OPS_SIGNAL, PLACE_none, false, 3},
    {"turns-cache", 12, 800, 6, "any,vma=cache", "mode=ab=20ms", POOL, PLAIN | OPS_THREAD | OPS_FORK,
     PLACE_none, false, 2},
    {"coin", 10, 800, 6, "any", "mode=coin=0.5", POOL, PLAIN | OPS_FORK, PLACE_none, false, 0},
    {"unset", 8, 1000, 5, NULL, "", ALL, FULL, PLACE_none, false, 0},
    {"caller", 10, 2500, 6, "caller=*/libc.so*,policy=forward;caller=twin*", "", POOL, FULL, PLACE_none,
     false, 3},
    {"large", 40, 800, 2, "any", "", LARGE, PLAIN, PLACE_none, true, 10},
    {"large-keep", 10, 800, 2, "any,keep=1M", "", LARGE, PLAIN, PLACE_none, false, 5},
    {"vectors", 56, 2000, 6, "any", "", POOL, PLAIN | OPS_VECTOR, PLACE_none, true, 5},
    {"threads", 16, 400, 5, "any", "", ALL, PLAIN | OPS_THREAD, PLACE_none, true, 3},
    {"threads-restore", 5, 400, 5, "any,policy=restore", "", POOL, PLAIN | OPS_THREAD, PLACE_none, false, 3},
    {"signals", 20, 800, 5, "any", "", ALL, PLAIN | OPS_SIGNAL, PLACE_none, true, 3},
    {"stacks", 50, 1500, 6, "any", "", POOL, PLAIN | OPS_STACK, PLACE_none, true, 3},
    {"stable-threads", 4, 400, 5, "any,vma=cache,policy=restore", "", POOL, PLAIN | OPS_THREAD | OPS_SIGNAL,
     PLACE_none, false, 3},
    {"lock", 70, 2000, 6, "any", "", ALL, FULL | OPS_LOCK, PLACE_none, true, 0},
    {"lock-inline", 20, 2000, 6, "any", "", POOL, PLAIN | OPS_LOCK | OPS_INLINE_LOCK, PLACE_none, false, 0},
    {"fork", 50, 800, 6, "any", "", POOL | KIND_BIT(file) | KIND_BIT(shared_anon), PLAIN | OPS_FORK,
     PLACE_none, true, 2},
    {"fork-cache", 8, 800, 6, "any,vma=cache", "", POOL, PLAIN | OPS_FORK, PLACE_none, false, 2},
    {"vfork", 28, 800, 6, "any", "", POOL, PLAIN | OPS_VFORK, PLACE_none, true, 70},
    {"close", 16, 800, 6, "any", "", POOL, PLAIN, PLACE_closed, false, 0},
    {"swap", 14, 800, 6, "any", "", ALL, PLAIN | OPS_SWAP, PLACE_none, false, 2},
    {"thp", 16, 400, 2, "any", "", KIND_BIT(thp), OPS_THP, PLACE_none, false, 0},
    {"thp-restore", 6, 400, 2, "any,policy=restore,keep=16M", "", KIND_BIT(thp), OPS_THP, PLACE_none, false,
     0},
    {"hugetlb", 24, 400, 2, "any", "", KIND_BIT(hugetlb), OPS_BASE, PLACE_none, false, 0},
    {"ksm", 3, 120, 2, "any", "", KSM, OPS_KSM, PLACE_none, false, 0},
    {"uffd", 50, 1500, 5, "any", "", ANON, PLAIN | OPS_UFFD, PLACE_none, false, 0},
    {"mseal", 20, 1500, 40, "any", "", SEAL, OPS_BASE | OPS_MAP, PLACE_none, false, 0},
    {"shards", 12, 500, 1, "any", "", KIND_BIT(shards), OPS_BASE | OPS_VVAR, PLACE_none, false, 0},
    {"special", 10, 1000, 4, "any", "", ANON, PLAIN | OPS_VVAR | OPS_PKEY, PLACE_none, false, 0},
    {"early", 4, 300, 4, "any", "", ANON, PLAIN, PLACE_none, false, 0},
    {"filtered", 10, 800, 5, "any", "", POOL, PLAIN, PLACE_seccomp_late, false, 0},
    {"refused", 10, 800, 5, "any", "", POOL, PLAIN, PLACE_seccomp_errno, false, 0},
    {"no-proc", 14, 800, 5, "any", "", POOL, PLAIN, PLACE_chroot, false, 0},
    {"starved", 10, 800, 5, "any", "", POOL, PLAIN, PLACE_emfile, false, 0},
    {"old-kernel", 12, 800, 5, "any", "", POOL, PLAIN, PLACE_no_procmap, false, 0},
    {"nobody", 14, 800, 6, "any", "", POOL, PLAIN, PLACE_setuid, false, 0},
};
#define GROUPS (sizeof groups / sizeof groups[0])

unsigned group_count(void)
{
    return GROUPS;
}

const struct group *group_at(unsigned index)
{
    return &groups[index];
}

unsigned group_index(const struct group *group)
{
    return (unsigned)(group - groups);
}

bool group_possible(const struct group *group, unsigned long machine)
{
    enum facility needs = group->classes & OPS_SWAP          ? HAS_SWAP
                          : group->classes & OPS_THP         ? HAS_THP
                          : group->classes & OPS_KSM         ? HAS_KSM
                          : group->classes & OPS_UFFD        ? HAS_UFFD
                          : group->kinds & SEAL              ? HAS_MSEAL
                          : group->kinds & KIND_BIT(hugetlb) ? HAS_HUGETLB
                                                             : HAS_NOTHING;
    return (machine >> needs & 1) && !place_lack(group->place, machine);
}

static unsigned weight_of(const struct group *group, int place)
{
    return place == PLACE_none || group->in_places ? group->weight : 0;
}

/* Groups come in turns by weight, each spread over the run, so that a run of any length has nearly its share
   of all: episode k is a point on a circle of all weights, and the golden ratio spreads such points evenly.
 */
const struct group *group_of(unsigned long seed, unsigned long episode, int place)
{
    struct random random = {seed};
    unsigned total = 0;
    for (unsigned i = 0; i < GROUPS; i++)
        total += weight_of(&groups[i], place) * 2500 / groups[i].steps;
    uint64_t point = random_next(&random) + episode * 0x9e3779b97f4a7c15u;
    uint64_t at = (uint64_t)(((unsigned __int128)point * total) >> 64);
    for (unsigned i = 0; i < GROUPS; i++) {
        unsigned share = weight_of(&groups[i], place) * 2500 / groups[i].steps;
        if (at < share)
            return &groups[i];
        at -= share;
    }
    return &groups[0];
}
