/* What keepwarm itself does in a served call, each thing alone in a loop: its caches are warm there. */
#include "test/bench/overhead_items.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "scan/regions.h"
#include "shim/counters.h"
#include "shim/plan_cache.h"
#include "shim/slots.h"

enum { PAGES = 64, IMAGE_PAGES = 16 };

/* What the items work on: a served range, as keepwarm would know it. */
struct subject {
    int maps; /* descriptor */
    struct rules rules;
    struct call call;
    struct plan_key anonymous, imaged; /* of one piece, and of two: an image and what follows it */
    const struct plan_entry *entry;    /* of the first */
    struct slot_history history;
    struct vma vma, image_vma;
};

static struct subject subject;

unsigned char *map_apart(size_t pages)
{
    unsigned char *start = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + PAGE, pages * PAGE, PROT_READ | PROT_WRITE))
        die("mapping a range");
    madvise(start + PAGE, pages * PAGE, MADV_NOHUGEPAGE);
    return start + PAGE;
}

static void do_nothing(size_t unused)
{
    (void)unused;
}

static void match_call(size_t unused)
{
    (void)unused;
    region_may_match(&subject.rules, &subject.call);
}

static void take_turn(size_t unused)
{
    (void)unused;
    counters_timed_turn();
}

static void read_history(size_t unused)
{
    (void)unused;
    struct slot_history history;
    slot_read(subject.call.start, &history);
}

static void write_history(size_t unused)
{
    (void)unused;
    struct slot_history replaced;
    slot_write(subject.call.start, &subject.history, &replaced);
}

static void ask_policy(size_t pages)
{
    struct slot_history *history = &subject.history;
    struct policy_input input = {
        .blind_possible = true,
        .stores_safe = true,
        .pages = pages,
        .pages_left = pages,
        .call_pages = pages,
        .expected = history->kept,
        .dirty = history->dirty,
        .piece_dirty = history->dirty,
        .known = history->touched != 0,
    };
    struct findings findings = {.restored = history->kept};
    enum reason why;
    enum opening opening = policy_open(history, false, true, &why);
    policy_decide(&costs_typical, &input);
    policy_close(&costs_typical, history, opening, &findings);
}

static void learn(size_t pages)
{
    read_history(0);
    ask_policy(pages);
}

static void find_plan(size_t unused)
{
    (void)unused;
    struct plan plan;
    plan_cache_find(&subject.anonymous, &plan);
}

static void ask_whether_steady(size_t unused)
{
    (void)unused;
    (void)plan_cache_may_be_steady(subject.call.start);
}

static void find_steady_plan(size_t unused)
{
    (void)unused;
    struct steady_plan plan;
    plan_cache_steady(subject.entry, &subject.anonymous, &plan);
}

static void ask_what_is_kept(size_t unused)
{
    (void)unused;
    uint32_t kept;
    slot_serves(subject.call.start, PAGES, 0, &kept);
}

static void find_plan_of_two(size_t unused)
{
    (void)unused;
    struct plan plan;
    plan_cache_find(&subject.imaged, &plan);
}

static void query_mapping(size_t unused)
{
    (void)unused;
    struct vma vma;
    vma_query(subject.maps, subject.call.start, &vma);
}

static void match_mapping(size_t unused)
{
    (void)unused;
    uintptr_t end = subject.call.end;
    region_hindrance(&subject.vma);
    region_match(&subject.rules, &subject.call, true, 0, subject.call.start, &end);
}

static void query_lock(size_t pages)
{
    vma_check_unlocked(subject.call.start, pages * PAGE);
}

static void borrow_vector(size_t unused)
{
    (void)unused;
    struct loan claim;
    if (regions_claim(&claim))
        regions_release(&claim);
}

/* As a served call does it. */
static void count_call(size_t scans)
{
    count_rules(1, 1, 0);
    count_served(scans, scans * PAGES, 2);
}

static void count_steady_call(size_t scans)
{
    count_steady(scans, scans * PAGES, 2, 1);
}

/* The parts that were timed, and two looks at the time of day for what is done now and then. */
static void read_clocks(size_t timed_parts)
{
    struct timespec now;
    for (size_t i = 0; i < 2 * timed_parts; i++)
        clock_gettime(CLOCK_MONOTONIC, &now);
    for (int i = 0; i < 2; i++)
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
}

static void find_image(size_t unused)
{
    (void)unused;
    struct image image;
    if (image_find(&subject.image_vma, &image))
        image_stands(&image);
}

static const struct item {
    const char *name;
    operation *run;
    size_t argument;
    int when;       /* a call of all these kinds has it; 0: every call */
    unsigned calls; /* one in so many of them */
} items[] = {
    {"anew: may a rule allow the call (region_may_match)", match_call, 0, ANEW, 1},
    {"is it a timed turn (counters_timed_turn)", take_turn, 0, 0, 1},
    {"steady: the plan (plan_cache_steady)", find_steady_plan, 0, STEADY, 1},
    {"anew, cached: the plan (plan_cache_find)", find_plan, 0, ANEW | CACHED, 1},
    {"steady: it may be (plan_cache_may_be_steady)", ask_whether_steady, 0, STEADY, 1},
    {"steady: what is kept (slot_serves)", ask_what_is_kept, 0, STEADY, 1},
    {"anew: the history is read (slot_read)", read_history, 0, ANEW, 1},
    {"anew: the policy opens, decides, closes", ask_policy, PAGES, ANEW, 1},
    {"asked: the kernel's mapping (PROCMAP_QUERY)", query_mapping, 0, ASKED | KERNEL, 1},
    {"anew, asked: the rule for the mapping (region_match)", match_mapping, 0, ANEW | ASKED, 1},
    {"asked: the kernel's lock (msync)", query_lock, PAGES, ASKED | KERNEL, 1},
    {"a large vector is lent: anew from 4 dirty pages on, steady from 32", borrow_vector, 0, MANY, 1},
    {"anew, whole: what was done is counted", count_call, 0, ANEW | WHOLE, 1},
    {"anew, scanned: what was done is counted", count_call, 1, ANEW | SCANNED, 1},
    {"steady, whole: what was done is counted (count_steady)", count_steady_call, 0, STEADY | WHOLE, 1},
    {"steady, scanned: what was done is counted (count_steady)", count_steady_call, 1, STEADY | SCANNED, 1},
    {"steady: 1 call in 64: history and policy, as anew", learn, PAGES, STEADY, TIMED_TURNS},
    {"1 call in 64: the history is written (slot_write)", write_history, 0, 0, TIMED_TURNS},
    {"whole: 1 call in 64: clocks", read_clocks, 1, WHOLE, TIMED_TURNS},
    {"scanned: 1 call in 64: clocks", read_clocks, 2, SCANNED, TIMED_TURNS},
    {"with an image: it is found, and stands", find_image, 0, ASKED | IMAGED, 1},
    {"with an image: the plan of two pieces", find_plan_of_two, 0, CACHED | IMAGED, 1},
};

_Static_assert(sizeof items / sizeof *items == ITEMS, "overhead_items.h says how many");

static uint32_t judge_nothing(char *path, bool *promised)
{
    (void)path;
    *promised = false;
    return 0;
}

/* Remembers a plan of an image, if there is one, and of the anonymous memory up to the key's end. */
static void remember_plan(const struct plan_key *key, const struct image *image)
{
    struct plan plan = {.promised = true, .matched = 1};
    if (image)
        plan.piece[plan.count++] = (struct piece){key->start + image->size, 0, *image};
    plan.piece[plan.count++] = (struct piece){.end = key->end};
    for (unsigned i = 0; i < plan.count; i++)
        plan.answer[i] = (struct plan_answer){REASON_COUNT, 0};
    plan_cache_remember(key, plan_cache_era(key), &plan);
}

/* An item that met nothing would be timed all the same: exits if one does. */
static void check_subject(void)
{
    struct slot_history history;
    struct plan plan;
    struct image image;
    uint32_t kept;
    slot_read(subject.call.start, &history);
    if (!region_may_match(&subject.rules, &subject.call) || history.kept != subject.history.kept ||
        !subject.entry || !slot_serves(subject.call.start, PAGES, 0, &kept) ||
        !plan_cache_find(&subject.anonymous, &plan) || !plan_cache_find(&subject.imaged, &plan) ||
        !image_find(&subject.image_vma, &image) || vma_check_unlocked(subject.call.start, PAGES * PAGE)) {
        errno = ENOENT;
        die("an item has nothing to work on");
    }
}

/* The first pages of the range become a private mapping of a sealed file, as a module's image is. */
static void map_image(unsigned char *start, struct image *image)
{
    int file = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0 || ftruncate(file, IMAGE_PAGES * PAGE) ||
        fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) ||
        mmap(start, IMAGE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) ==
            MAP_FAILED)
        die("the image");
    errno = -vma_query(subject.maps, (uintptr_t)start, &subject.image_vma);
    if (errno)
        die("PROCMAP_QUERY (Linux 6.11)");
    errno = -image_register(subject.maps, &subject.image_vma, judge_nothing, image);
    if (errno || image->kind != IMAGE_SEALED)
        die("registering the image");
}

static struct plan_key key_of(const unsigned char *start)
{
    return (struct plan_key){(uintptr_t)start, (uintptr_t)start + PAGES * PAGE, 0, MADV_DONTNEED};
}

static void make_subject(void)
{
    static struct problems problems;
    struct image image;
    struct slot_history replaced;
    subject.maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (subject.maps < 0)
        die("/proc/self/maps");
    subject.anonymous = key_of(map_apart(PAGES));
    subject.imaged = key_of(map_apart(PAGES));
    map_image((unsigned char *)subject.imaged.start, &image);
    rules_parse(&subject.rules, span_of("any"), false, SIZE_MAX, &problems);
    subject.call = (struct call){.start = subject.anonymous.start, .end = subject.anonymous.end};
    subject.history =
        (struct slot_history){.kept = 2, .state = SLOT_SERVE, .pages = PAGES, .countdown = 9, .dirty = 2};
    slot_write(subject.call.start, &subject.history, &replaced);
    remember_plan(&subject.anonymous, NULL);
    plan_cache_note_steady(&subject.anonymous, plan_cache_era(&subject.anonymous), STEADY_SCAN);
    subject.entry = plan_cache_may_be_steady(subject.anonymous.start);
    remember_plan(&subject.imaged, &image);
    vma_query(subject.maps, subject.call.start, &subject.vma);
    check_subject();
}

/* What each call has of it, when only one in so many has it all. */
static struct spread share_of(struct spread spread, double floor, unsigned calls)
{
    return (struct spread){
        .low_quartile = (spread.low_quartile - floor) / calls,
        .median = (spread.median - floor) / calls,
        .high_quartile = (spread.high_quartile - floor) / calls,
    };
}

void items_measure(struct spread costs[ITEMS])
{
    make_subject();
    double floor = time_operation(do_nothing, 0).median;
    for (int i = 0; i < ITEMS; i++)
        costs[i] = share_of(time_operation(items[i].run, items[i].argument), floor, items[i].calls);
}

bool items_has(unsigned item, int kinds)
{
    return !(items[item].when & ~kinds);
}

const char *items_name(unsigned item)
{
    return items[item].name;
}
