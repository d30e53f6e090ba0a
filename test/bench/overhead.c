/* What keepwarm itself adds to a call that it serves: in total, as the difference to the same reset written
   into this program; item by item; and the rest, which is the way through: frames, the returns after system
   calls (8 ns each where the kernel guards them, AMD's Safe RET), caches that the kernel and the pages have
   cooled, and a few ns for each run of dirty pages.

   It runs with the library preloaded. Where the kernel puts things moves a figure by 20 ns from run to run:
   take the median of some. */
#include "test/bench/bench.h"
#include "test/bench/direct.h"
#include "test/bench/overhead_items.h"
#include "test/bench/uapi.h"

#include "scan/again.h"
#include "scan/stores.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BATCHES 301
#define BATCH_NS 100000u /* short: most are not interrupted */
#define WARM_UP 3000     /* resets: the policy knows the range by then */
#define REGIONS 256
#define REGIONS_FEW 10 /* the vector of a range with fewer dirty pages */

static const char usage[] = "Usage: LD_PRELOAD=LIBRARY KEEPWARM_REGIONS=any,vma=cache overhead cache\n"
                            "       LD_PRELOAD=LIBRARY KEEPWARM_REGIONS=any,vma=check overhead check\n"
                            "Prints what keepwarm adds to the calls it serves, and what that is, in ns.\n";

/* A range, and what a cycle does to it. */
struct load {
    const char *name;
    size_t pages, dirty;
    int kinds; /* of its resets, but STEADY or ANEW */
    unsigned char *start;
};

/* With vma=check the kernel writes what is not scanned, from /dev/zero: another reset than the program's own.
 */
static struct load loads[] = {
    {"1 page written whole", 1, 1, CACHED | WHOLE, NULL},
    {"4 pages written whole", 4, 4, CACHED | WHOLE, NULL},
    {"16 pages written whole", 16, 16, CACHED | WHOLE, NULL},
    {"2 dirty of 64 scanned", 64, 2, CACHED | ASKED | SCANNED, NULL},
    {"2 dirty of 256 scanned", 256, 2, CACHED | ASKED | SCANNED, NULL},
    {"64 dirty of 1024 scanned", 1024, 64, CACHED | ASKED | SCANNED | MANY, NULL},
};

enum { LOADS = sizeof loads / sizeof *loads };

/* Of its resets when the rule is cached, or when it is asked. */
static int kinds_of(const struct load *load, int asking)
{
    return (load->kinds & ~(CACHED | ASKED)) | asking | (load->dirty < AGAIN_MOST ? STEADY : ANEW);
}

static int pagemap;

/* Stores as keepwarm's own resets do: else what is faster about those would be taken off what it adds. Not
   inlined, as madvise is not: see ruled_out.c. */
__attribute__((noinline)) static void reset_here(const struct load *load)
{
    struct scan_region runs[REGIONS];
    if (load->kinds & WHOLE) {
        stores_zeroes((uintptr_t)load->start, load->pages * PAGE, true);
        return;
    }
    struct scan_request request = scan_for_dirty(load->start, load->start + load->pages * PAGE, SCAN_PFNZERO,
                                                 runs, load->dirty < REGIONS_FEW ? REGIONS_FEW : REGIONS);
    request.return_mask = SCAN_SWAPPED | SCAN_HUGE;
    request.max_pages = load->pages;
    int count = direct_ioctl(pagemap, SCAN_REQUEST, &request);
    if (count < 0)
        die("PAGEMAP_SCAN (Linux 6.7)");
    for (const struct scan_region *run = runs, *behind = runs + count; run < behind; run++) {
        stores_announce(run[run + 1 < behind].start);
        stores_zeroes(run->start, run->end - run->start, true);
    }
}

static void dirty_pages(const struct load *load)
{
    for (size_t i = 0; i < load->dirty; i++)
        load->start[i * (load->pages / load->dirty) * PAGE + 17] = 1;
}

/* The two cycles, in which the load is the argument. */
static void cycle_here(size_t index)
{
    dirty_pages(&loads[index]);
    reset_here(&loads[index]);
}

static void cycle_keepwarm(size_t index)
{
    dirty_pages(&loads[index]);
    if (madvise(loads[index].start, loads[index].pages * PAGE, MADV_DONTNEED))
        die("madvise");
}

/* Makes keepwarm know the range. A real call leaves none of its pages resident. */
static void warm_up(size_t index)
{
    struct load *load = &loads[index];
    unsigned char resident = 0;
    load->start = map_apart(load->pages);
    for (int i = 0; i < WARM_UP; i++)
        cycle_keepwarm(index);
    if (mincore(load->start, PAGE, &resident) || !(resident & 1) || load->start[17]) {
        fprintf(stderr, "overhead: %s: keepwarm does not serve this\n", load->name);
        exit(1);
    }
}

/* What keepwarm adds to a reset, in ns. */
static struct spread own_time(size_t index)
{
    static double over[BATCHES];
    warm_up(index);
    size_t repeats = (size_t)(BATCH_NS / time_operation(cycle_keepwarm, index).median) + 1;
    for (int i = 0; i < BATCHES; i++) {
        bool swapped = i % 2;
        double first = time_repeats(swapped ? cycle_keepwarm : cycle_here, index, repeats);
        double second = time_repeats(swapped ? cycle_here : cycle_keepwarm, index, repeats);
        over[i] = swapped ? first - second : second - first;
    }
    return spread_of(over, BATCHES);
}

static void print_row(const char *what, const char *name, const struct spread *spread)
{
    printf("%s%-*s %8.1f   %.1f to %.1f\n", what, (int)(60 - strlen(what)), name, spread->median,
           spread->low_quartile, spread->high_quartile);
}

/* Those that some load of this run has, and what an image would add. */
static void print_items(int asking, const struct spread costs[ITEMS])
{
    int kinds = IMAGED | KERNEL;
    for (size_t i = 0; i < LOADS; i++)
        if (loads[i].kinds & asking)
            kinds |= kinds_of(&loads[i], asking);
    for (unsigned item = 0; item < ITEMS; item++)
        if (items_has(item, kinds))
            print_row("item, ", items_name(item), &costs[item]);
}

static double sum_of(const struct spread costs[ITEMS], int kinds)
{
    double sum = 0;
    for (unsigned item = 0; item < ITEMS; item++)
        if (items_has(item, kinds))
            sum += costs[item].median;
    return sum;
}

static void print_loads(int asking, const struct spread costs[ITEMS])
{
    for (size_t i = 0; i < LOADS; i++) {
        if (!(loads[i].kinds & asking))
            continue;
        struct spread own = own_time(i);
        int kinds = kinds_of(&loads[i], asking);
        double items = sum_of(costs, kinds), kernel = sum_of(costs, kinds | KERNEL) - items;
        print_row("own time, ", loads[i].name, &own);
        if (asking == ASKED)
            printf("%-60s %8.1f\n", "  of it, the kernel's answers", kernel);
        printf("%-60s %8.1f\n", "  of it, keepwarm's items", items);
        printf("%-60s %8.1f\n", "  of it, the way through", own.median - items - kernel);
    }
}

int main(int argc, char **argv)
{
    int asking = argc != 2 ? 0 : !strcmp(argv[1], "cache") ? CACHED : !strcmp(argv[1], "check") ? ASKED : 0;
    struct spread costs[ITEMS];
    if (!asking) {
        fputs(usage, stderr);
        return 2;
    }
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0)
        die("/proc/self/pagemap");
    stores_start();
    items_measure(costs);
    printf("%-60s %8s   %s\n", "", "median", "quartiles, ns");
    print_items(asking, costs);
    print_loads(asking, costs);
    return 0;
}
