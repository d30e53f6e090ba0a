#include "scan/costs.h"

#include <sys/mman.h>

#include "scan/pagemap.h"
#include "scan/prim.h"
#include "scan/stores.h"

enum { PAGES = 8, TRIES = 20, FURTHEST = 4 };

struct ground {
    int pagemap;
    uintptr_t start; /* PAGES of memory */
};

static void store(const struct ground *ground)
{
    stores_zeroes(ground->start, PAGES * PAGE, false);
}

static void scan(const struct ground *ground)
{
    pagemap_look(ground->pagemap, ground->start);
}

/* ns; the least of TRIES. */
static uint64_t time_of(void (*work)(const struct ground *), const struct ground *ground)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        uint64_t before = prim_now();
        work(ground);
        uint64_t taken = prim_now() - before;
        best = taken < best ? taken : best;
    }
    return best;
}

static uint32_t within(uint64_t value, uint64_t lowest, uint64_t highest)
{
    return (uint32_t)(value < lowest ? lowest : value < highest ? value : highest);
}

void costs_measure(int pagemap, struct costs *costs)
{
    *costs = costs_typical;
    long start = prim_mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (prim_failed(start))
        return;
    struct ground ground = {pagemap, (uintptr_t)start};
    costs->store = within(time_of(store, &ground) / PAGES, costs_typical.store / FURTHEST,
                          costs_typical.store * FURTHEST);
    costs->scan = within(time_of(scan, &ground), costs_typical.scan / FURTHEST, costs_typical.scan);
    prim_munmap(ground.start, PAGES * PAGE);
}
