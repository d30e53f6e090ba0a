#include "shim/observe.h"

#include <string.h>
#include <sys/mman.h>

#include "scan/pagemap.h"
#include "scan/prim.h"
#include "scan/regions.h"
#include "scan/vma.h"
#include "shim/observations.h"
#include "shim/plan.h"
#include "shim/policy.h"
#include "shim/reset_call.h"
#include "shim/state.h"

/* ---- time ---- */

/* CPU time of this thread, in ns: by the wall clock, one call that another program interrupts counts for a
   thousand. */
static uint64_t cpu_now(void)
{
    struct timespec now = {0};
    prim_call3(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, (long)&now, 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What asking for the time takes, the least of some times. */
static uint64_t clock_cost(void)
{
    static uint64_t cost;
    uint64_t found = __atomic_load_n(&cost, __ATOMIC_RELAXED);
    if (found)
        return found;
    found = UINT64_MAX;
    for (int i = 0; i < 16; i++) {
        uint64_t before = cpu_now(), taken = cpu_now() - before;
        found = taken < found ? taken : found;
    }
    __atomic_store_n(&cost, found, __ATOMIC_RELAXED);
    return found;
}

static uint64_t cpu_since(uint64_t before)
{
    uint64_t taken = cpu_now() - before, cost = clock_cost();
    return taken > cost ? taken - cost : 0;
}

/* ---- names ---- */

static int query_name(uintptr_t address, struct vma *vma, char *path, size_t size)
{
    return process.procmap ? vma_query_name(process.files.maps, address, vma, path, size)
                           : vma_read(process.files.maps, address, vma, path, size);
}

static __attribute__((noinline)) uint8_t name_caller(uintptr_t address)
{
    char path[NAME_SHOWN];
    struct vma vma;
    if (query_name(address, &vma, path, sizeof path))
        return observed_name("unknown");
    const char *slash = strrchr(path, '/');
    return observed_name(vma.inode == 0 ? "no file" : slash ? slash + 1 : path);
}

static uint8_t caller_name(uintptr_t address)
{
    uint8_t name = observed_recall(address);
    if (!name) {
        name = name_caller(address);
        observed_remember(address, name);
    }
    return name;
}

static __attribute__((noinline)) uint8_t name_mapping(uintptr_t address)
{
    char path[NAME_SHOWN]; /* a longer one is an error, and no part of it is told */
    struct vma vma;
    if (query_name(address, &vma, path, sizeof path))
        return observed_name("unknown");
    region_normalise(path);
    return observed_name(vma.inode == 0 ? "anon" : path);
}

/* No address has the top bit. */
static uint8_t image_name(const struct image *image, uintptr_t address)
{
    uint64_t key = 1ULL << 63 | (uint64_t)image->generation << 16 | image->slot;
    uint8_t name = observed_recall(key);
    if (!name) {
        name = name_mapping(address);
        observed_remember(key, name);
    }
    return name;
}

/* ---- the look before the call ---- */

/* One call, and what has to be known of its pieces until the real call is done. */
struct look {
    const struct call *call;
    enum reason reason; /* why a reset would forward the whole call */
    uint32_t matched;
    uint8_t caller, size; /* of the pieces' keys */
    unsigned count;
    struct {
        struct observed_key key;
        uint32_t present; /* pages */
    } piece[PLAN_PIECES];
};

static void count_run(uint64_t amounts[OBSERVED_COUNT], const struct page_region *run, uint64_t clean)
{
    uint64_t pages = (run->end - run->start) / PAGE;
    bool swapped = run->categories & CATEGORY_SWAPPED;
    amounts[OBSERVED_present] += swapped ? 0 : pages;
    if (run->categories & (CATEGORY_SWAPPED | CATEGORY_HUGE) && !(run->categories & CATEGORY_ZERO)) {
        amounts[OBSERVED_to_kernel] += pages;
        return;
    }
    amounts[OBSERVED_dirty] += run->categories & clean ? 0 : pages;
    amounts[OBSERVED_again] += observed_again(run->start, run->end);
}

/* Asks for the category that tells clean pages from dirty, instead of leaving them out: present pages that
   nobody wrote to are worth a fault too. */
static __attribute__((noinline)) enum reason scan_piece(uint64_t amounts[OBSERVED_COUNT], uintptr_t start,
                                                        uintptr_t end, bool anonymous)
{
    struct loan claim;
    struct page_region *regions = regions_claim(&claim);
    if (!regions)
        return REASON_busy;
    uint64_t clean = anonymous ? CATEGORY_ZERO : CATEGORY_FILE;
    struct pagemap_scan scan = {
        .fd = process.files.pagemap,
        .position = start,
        .end = end,
        .asked = CATEGORY_SWAPPED | CATEGORY_HUGE | CATEGORY_ZERO | clean,
        .regions = regions,
        .capacity = REGIONS_MANY,
    };
    int count = 0;
    while (scan.position < end && count >= 0) {
        uint64_t before = cpu_now();
        count = pagemap_next(&scan, PAGEMAP_SLICE / PAGE);
        amounts[OBSERVED_scan_ns] += cpu_since(before);
        for (int i = 0; i < count; i++)
            count_run(amounts, &regions[i], clean);
    }
    regions_release(&claim);
    return count < 0 ? REASON_failed : REASON_COUNT;
}

/* What lies past the threshold goes to the real call. */
static void cut_at_keep(uint64_t amounts[OBSERVED_COUNT], uint64_t *pages_left)
{
    uint64_t *dirty = &amounts[OBSERVED_dirty];
    uint64_t over = *dirty > *pages_left ? *dirty - *pages_left : 0;
    *dirty -= over;
    *pages_left -= *dirty;
    amounts[OBSERVED_to_kernel] += over;
}

/* Would a reset leave a piece of this size alone? */
static bool is_too_large(const struct rule *rule, uint64_t pages)
{
    struct policy_input input = {
        .rule = rule->policy, .pages = pages, .call_pages = pages, .pages_left = rule->keep / PAGE};
    return policy_decide(&process.costs, &input) == DECIDE_FORWARD;
}

/* The time in the real call is added later. */
static void enter_piece(struct look *look, uint8_t mapping, enum reason hindrance,
                        uint64_t amounts[OBSERVED_COUNT])
{
    unsigned i = look->count++;
    look->piece[i].key = (struct observed_key){look->caller, mapping, look->size, hindrance};
    look->piece[i].present = (uint32_t)amounts[OBSERVED_present];
    amounts[OBSERVED_calls] = 1;
    amounts[OBSERVED_at_sites] = look->call->at_site;
    observed_add(look->piece[i].key, amounts);
}

static uint8_t piece_name(const struct piece *piece, enum reason hindrance, uintptr_t start)
{
    if (!piece_is_anonymous(piece))
        return image_name(&piece->image, start);
    return hindrance == REASON_COUNT ? observed_name("anon") : name_mapping(start);
}

static void look_at_piece(struct look *look, const struct plan *plan, unsigned i, uintptr_t start,
                          uint64_t *pages_left, uint64_t ask_ns)
{
    const struct piece *piece = &plan->piece[i];
    enum reason own = (enum reason)plan->answer[i].hindrance,
                hindrance = own == REASON_COUNT ? look->reason : own;
    uint64_t amounts[OBSERVED_COUNT] = {
        [OBSERVED_bytes] = piece->end - start,
        [OBSERVED_ask_ns] = ask_ns,
    };
    if (hindrance == REASON_COUNT &&
        is_too_large(&process.rules.rule[plan->answer[i].rule], (piece->end - start) / PAGE))
        hindrance = REASON_policy;
    /* An unsealed file's pages are counted too: the user may promise that it is stable. */
    if (hindrance == REASON_COUNT || hindrance == REASON_unsealed) {
        enum reason trouble = scan_piece(amounts, start, piece->end, piece_is_anonymous(piece));
        hindrance = trouble == REASON_COUNT ? hindrance : trouble;
        cut_at_keep(amounts, pages_left);
    }
    enter_piece(look, piece_name(piece, own, start), hindrance, amounts);
}

/* A call whose mappings cannot all be told is one piece. */
static void look_at_whole(struct look *look)
{
    uint64_t amounts[OBSERVED_COUNT] = {[OBSERVED_bytes] = look->call->end - look->call->start};
    enter_piece(look, name_mapping(look->call->start), look->reason, amounts);
}

static void look_at_pieces(struct look *look, const struct plan *plan, uint64_t ask_ns)
{
    uint64_t pages_left = UINT64_MAX;
    uintptr_t position = look->call->start;
    for (unsigned i = 0; i < plan->count; position = plan->piece[i++].end) {
        int rule = plan->answer[i].rule;
        if (rule < 0)
            continue;
        uint64_t keep = process.rules.rule[rule].keep / PAGE;
        pages_left = pages_left < keep ? pages_left : keep;
        look_at_piece(look, plan, i, position, &pages_left, ask_ns / plan->count);
    }
}

static __attribute__((noinline)) void look_at_call(struct look *look, int advice)
{
    const struct call *call = look->call;
    struct plan plan = {.count = 0};
    uint64_t before = cpu_now();
    look->reason = plan_call(call, advice, &plan);
    look->matched = plan.matched;
    uint64_t ask_ns = cpu_since(before);
    /* That no piece of it can be served is said of each piece. */
    for (unsigned i = 0; i < plan.count; i++)
        if (plan.answer[i].hindrance == look->reason)
            look->reason = REASON_COUNT;
    if (plan.count && plan.piece[plan.count - 1].end == call->end)
        look_at_pieces(look, &plan, ask_ns);
    else
        look_at_whole(look);
}

/* ---- a page fault ---- */

/* A page of our own that is dropped and touched again shows what a fault costs here and now, with the threads
   and the load that there are. Threads may share it: nobody reads it. */
static volatile char *fault_page(void)
{
    static uintptr_t page;
    uintptr_t found = __atomic_load_n(&page, __ATOMIC_ACQUIRE), none = 0;
    if (found)
        return (volatile char *)found;
    long fresh = prim_mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (prim_failed(fresh))
        return NULL;
    if (__atomic_compare_exchange_n(&page, &none, (uintptr_t)fresh, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return (volatile char *)fresh;
    prim_munmap((uintptr_t)fresh, PAGE);
    return (volatile char *)none;
}

static void measure_fault(struct observed_key key)
{
    volatile char *page = fault_page();
    if (!page)
        return;
    count(COUNTER_real_calls, 1);
    if (prim_madvise((uintptr_t)page, PAGE, ADVICE_DONTNEED))
        return;
    uint64_t before = cpu_now();
    *page = 1;
    uint64_t amounts[OBSERVED_COUNT] = {[OBSERVED_fault_ns] = cpu_since(before), [OBSERVED_faults] = 1};
    observed_add(key, amounts);
}

/* ---- the call ---- */

/* The real call's time goes to the pieces by the pages it had to drop, which is what it spends it on. */
static void enter_time(const struct look *look, uint64_t call_ns)
{
    uint64_t weight = look->count;
    for (unsigned i = 0; i < look->count; i++)
        weight += look->piece[i].present;
    for (unsigned i = 0; i < look->count; i++) {
        uint64_t amounts[OBSERVED_COUNT] = {
            [OBSERVED_call_ns] = call_ns * (look->piece[i].present + 1) / weight,
        };
        observed_add(look->piece[i].key, amounts);
    }
}

__attribute__((noinline)) long observe_call(const struct call *call, size_t length, int advice, bool probe)
{
    struct look look;
    look.call = call;
    look.count = 0;
    look.matched = 0;
    look.caller = caller_name(call->caller);
    look.size = (uint8_t)(63 - __builtin_clzll(call->end - call->start));
    look_at_call(&look, advice);
    uint64_t before = cpu_now();
    long result = prim_madvise(call->start, length, advice);
    uint64_t call_ns = cpu_since(before);
    enter_time(&look, call_ns);
    if (probe && look.count)
        measure_fault(look.piece[0].key);
    count(COUNTER_forward_ns, call_ns);
    count_real_call(look.count ? REASON_observing : REASON_no_rule, result == 0 ? call_pages(call) : 0);
    count_rules(look.matched, 0, look.matched);
    return result;
}
