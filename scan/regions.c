#include "scan/regions.h"

#include <stddef.h>

#include "scan/prim.h"

enum { VECTORS = 16 };

static struct {
    uint64_t borrower; /* 48 bits: the claim's address, or 0 when free; above them how often it was lent */
    struct page_region region[REGIONS_MANY];
} __attribute__((aligned(64))) vectors[VECTORS];

enum { ADDRESS_BITS = 48 };
#define ADDRESS (((uint64_t)1 << ADDRESS_BITS) - 1)

static uint64_t cookie_of(unsigned vector, uintptr_t claim)
{
    return (claim ^ (uint64_t)vector << 56) * 0x9e3779b97f4a7c15ULL | 1;
}

/* The borrower's stack may be gone: it is read as read(2) would. */
static __attribute__((cold)) bool is_abandoned(unsigned vector, uint64_t word)
{
    uintptr_t borrower = word & ADDRESS;
    uint64_t cookie = 0;
    struct iovec to = {&cookie, sizeof cookie}, from = {(void *)borrower, sizeof cookie};
    long count = prim_copy_safely(&to, &from, 1);
    return count == -14 /* EFAULT */ ||
           (count == (long)sizeof cookie && cookie != cookie_of(vector, borrower));
}

static bool take(unsigned vector, uint64_t from, struct regions_claim *claim)
{
    uint64_t number = (from >> ADDRESS_BITS) + 1;
    claim->vector = (int)vector;
    __atomic_store_n(&claim->cookie, cookie_of(vector, (uintptr_t)claim), __ATOMIC_RELEASE);
    return __atomic_compare_exchange_n(&vectors[vector].borrower, &from,
                                       (uintptr_t)claim | number << ADDRESS_BITS, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

struct page_region *regions_claim(struct regions_claim *claim)
{
    /* Threads start at different vectors, each mostly at the same one: stacks are 8 MiB and a page apart. */
    unsigned first = (unsigned)(((uintptr_t)claim >> 13) * 0x9e3779b97f4a7c15ULL >> 60);
    for (unsigned i = 0; i < VECTORS; i++) {
        unsigned vector = (first + i) % VECTORS;
        uint64_t borrower = __atomic_load_n(&vectors[vector].borrower, __ATOMIC_RELAXED);
        if (!(borrower & ADDRESS) && take(vector, borrower, claim))
            return vectors[vector].region;
    }
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        uint64_t borrower = __atomic_load_n(&vectors[vector].borrower, __ATOMIC_ACQUIRE);
        if ((borrower & ADDRESS) && is_abandoned(vector, borrower) && take(vector, borrower, claim))
            return vectors[vector].region;
    }
    claim->cookie = 0;
    return NULL;
}

void regions_release(struct regions_claim *claim)
{
    uint64_t *borrower = &vectors[claim->vector].borrower;
    __atomic_store_n(borrower, __atomic_load_n(borrower, __ATOMIC_RELAXED) & ~ADDRESS, __ATOMIC_RELEASE);
    __atomic_store_n(&claim->cookie, 0, __ATOMIC_RELAXED);
}
