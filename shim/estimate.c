#include "shim/estimate.h"

/* ns on Linux 6.18 and Zen 4, pages hot: what counts is how they compare. What differs most from host to host
   is measured there (scan/costs.h). */
enum {
    SCAN = 700,           /* where few pages are present, */
    SCAN_PAGE = 1,        /* ... and for each page, */
    SCAN_MAPPING = 240,   /* ... for a second mapping, */
    SCAN_IMAGE_PAGE = 25, /* ... and to ask whether a page is a file's, */
    READ_AROUND = 16,     /* pages of an image, which one fault maps */
    REPORT = 8,           /* for each that is reported, */
    WITH_ITS_REPORT = 18, /* ... and restored by itself, over what it takes among others; */
    SCAN_TABLE = 18,      /* for each page table that it passes over, unless it was timed */
    REAL = 500,           /* the real call, */
    REAL_TABLE = 7,
    READ = 200,     /* to have the kernel write pages, from /dev/zero, */
    READ_MORE = 24, /* for each, over a store */
    FAULT = 855,    /* with its share of the teardown; 1,900 here, 500 on the best hosts */
};

/* As SCAN, but of this machine. */
static uint64_t cost_of_scan(const struct costs *costs)
{
    return SCAN - costs_typical.scan + costs->scan;
}

/* Whether all of a range is mapped. */
static uint64_t cost_of_asking(const struct costs *costs)
{
    return costs->scan * 3 / 10;
}

/* Of a page, nobody knows how hot: what was measured is the least that it takes. */
static uint64_t cost_of_store(const struct costs *costs)
{
    uint64_t half_way = (costs->store + costs_typical.store) / 2;
    return costs->store > half_way ? costs->store : half_way;
}

/* To copy pages of an image: it is seldom in the first cache. */
static uint64_t cost_of_copies(const struct costs *costs, uint64_t pages)
{
    return pages * cost_of_store(costs) * 11 / 8;
}

static uint64_t cost_of_stores(const struct costs *costs, const struct extent *extent)
{
    if (extent->page_ns)
        return extent->pages * extent->page_ns;
    return (extent->pages - extent->images) * cost_of_store(costs) + cost_of_copies(costs, extent->images);
}

/* What a scan takes longer where some pages are an image's. */
static uint64_t cost_of_images(const struct extent *extent)
{
    uint64_t around = extent->images < READ_AROUND ? extent->images : READ_AROUND;
    uint64_t mapping = extent->images < extent->pages ? SCAN_MAPPING : 0;
    return extent->images ? mapping + (extent->dirty + around) * SCAN_IMAGE_PAGE : 0;
}

bool estimate_whole_pays(const struct costs *costs, const struct extent *extent, bool stores_safe)
{
    uint64_t pages = extent->pages, dirty = extent->dirty, clean = pages > dirty ? pages - dirty : 0;
    uint64_t whole = cost_of_stores(costs, extent) + (stores_safe ? 0 : READ + pages * READ_MORE);
    uint64_t scan = cost_of_scan(costs) + pages * SCAN_PAGE +
                    (dirty < clean ? dirty : clean) * WITH_ITS_REPORT + cost_of_images(extent);
    return whole <= scan + dirty * (extent->page_ns ? extent->page_ns : cost_of_store(costs));
}

bool estimate_is_short(const struct costs *costs, uint64_t pages, uint64_t images)
{
    struct extent extent = {.pages = pages, .images = images};
    return cost_of_stores(costs, &extent) <= REAL + FAULT;
}

bool estimate_complement_pays(const struct costs *costs, uint64_t pages, uint64_t dirty, bool promised)
{
    return 2 * dirty * REPORT > pages * REPORT + (promised ? cost_of_asking(costs) : 0);
}

uint64_t estimate_fault_worth(const struct costs *costs)
{
    enum { MOST = 15 };
    uint64_t restores = FAULT / (cost_of_store(costs) + WITH_ITS_REPORT);
    return restores < MOST ? restores : MOST;
}

uint64_t estimate_passing(uint64_t pages, uint8_t table_ns)
{
    return pages / TABLE_PAGES * (table_ns ? table_ns : SCAN_TABLE);
}

uint8_t estimate_table(uint64_t pages, uint64_t found, uint64_t ns)
{
    uint64_t tables = pages / TABLE_PAGES, passing = ns > found * REPORT ? ns - found * REPORT : 0;
    uint64_t each = tables ? passing / tables + 1 : SCAN_TABLE;
    return (uint8_t)(each < SCAN_TABLE ? each : SCAN_TABLE);
}

bool estimate_scan_pays(const struct parts *parts, uint64_t used)
{
    uint64_t pages = parts->scanned + parts->rest;
    uint64_t served = SCAN + estimate_passing(parts->scanned, parts->table_ns) + parts->real_calls * REAL +
                      parts->rest / TABLE_PAGES * REAL_TABLE;
    return served <= REAL + pages / TABLE_PAGES * REAL_TABLE + used * FAULT;
}
