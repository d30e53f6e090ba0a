#include "test/bench/grid_use.h"

#include "test/bench/bench.h"
#include "test/bench/direct.h"
#include "test/bench/uapi.h"

#include <string.h>

/* Of PERIOD uses of a slot, the first BURST write all pages; the others one of SMALLER. */
enum { PERIOD = 64, BURST = 8, SMALLER = 16 };

enum { REGIONS = 128 };

unsigned char *grid_slot(const struct pool *pool, uint64_t turn)
{
    return pool_slot(pool, turn % pool->shape.slots);
}

/* How far the pages of the nth use of a slot are from their first places. */
static size_t shift_of(const struct shape *shape, enum working_set set, uint64_t use)
{
    if (set != SET_WANDERING)
        return 0;
    return (size_t)(use * (shape->scattered ? 1 : shape->dirty)) % (shape->slot_bytes / PAGE);
}

static size_t count_of(size_t pages, enum working_set set, uint64_t use)
{
    if (set != SET_PHASES || use % PERIOD < BURST)
        return pages;
    return (pages + SMALLER - 1) / SMALLER;
}

uint64_t grid_use(const struct pool *pool, enum working_set set, uint64_t turn)
{
    const struct shape *shape = &pool->shape;
    uint64_t use = turn / shape->slots, sum = 0;
    unsigned char *base = grid_slot(pool, turn);
    size_t shift = shift_of(shape, set, use), total = shape->slot_bytes / PAGE;
    size_t in_page = (size_t)(turn * 8) % PAGE;
    size_t read = count_of(shape->read, set, use), dirty = count_of(shape->dirty, set, use);
    for (size_t i = 0; i < read; i++) {
        size_t page = pool->read_pages[i] + shift;
        sum += *(volatile uint64_t *)(base + (page < total ? page : page - total) * PAGE + in_page);
    }
    for (size_t i = 0; i < dirty; i++) {
        size_t number = pool->dirty_pages[i] + shift;
        unsigned char *page = base + (number < total ? number : number - total) * PAGE;
        *(volatile uint64_t *)(page + in_page) = turn | 1;
        *(volatile uint64_t *)(page + PAGE - 8 - in_page) = turn | 1;
    }
    return sum;
}

/* Calls VISIT with each run of pages of [START, END) that are there, zero pages only if ZEROES. */
static void walk(int pagemap, const unsigned char *start, const unsigned char *end, bool zeroes,
                 void (*visit)(void *context, unsigned char *start, unsigned char *end), void *context)
{
    struct scan_region runs[REGIONS];
    struct scan_request request = scan_for_dirty(start, end, zeroes ? 0 : SCAN_PFNZERO, runs, REGIONS);
    while (request.start < request.end) {
        int count = direct_ioctl(pagemap, SCAN_REQUEST, &request);
        if (count < 0)
            die("PAGEMAP_SCAN");
        for (int i = 0; i < count; i++)
            visit(context, (unsigned char *)runs[i].start, (unsigned char *)runs[i].end);
        request.start = request.walk_end;
    }
}

static void add_bytes(void *context, unsigned char *start, unsigned char *end)
{
    *(size_t *)context += (size_t)(end - start);
}

size_t grid_resident(const struct pool *pool, int pagemap)
{
    size_t bytes = 0;
    for (size_t i = 0; i < pool->shape.slots; i++) {
        unsigned char *slot = pool_slot(pool, i);
        walk(pagemap, slot, slot + pool->shape.slot_bytes, false, add_bytes, &bytes);
    }
    return bytes;
}

/* A slot, and whether all of it that was looked at is fresh. */
struct look {
    const unsigned char *slot;
    const struct image *image;
    bool fresh;
};

static void compare(void *context, unsigned char *start, unsigned char *end)
{
    static const unsigned char zeroes[PAGE];
    struct look *look = context;
    for (unsigned char *page = start; page < end; page += PAGE) {
        size_t offset = (size_t)(page - look->slot);
        const unsigned char *expected = offset < look->image->bytes ? look->image->expected + offset : zeroes;
        if (memcmp(page, expected, PAGE))
            look->fresh = false;
    }
}

bool grid_slot_fresh(const struct pool *pool, const unsigned char *slot, int pagemap)
{
    struct look look = {slot, pool->image, true};
    walk(pagemap, slot, slot + pool->shape.slot_bytes, true, compare, &look);
    return look.fresh;
}
