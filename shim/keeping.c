#include "shim/keeping.h"

#include <time.h>

#include "scan/memory.h"
#include "scan/pagemap.h"
#include "scan/prim.h"
#include "shim/counters.h"
#include "shim/slots.h"
#include "shim/state.h"

enum {
    RECLAIMABLE_SHARE = 16, /* of the cgroup's limit: what is kept beyond a sixteenth is marked MADV_FREE */
    PRESSURE_ASKED = 10,    /* ms: a look costs some us */
    PRESSURE_LASTS = 1000,  /* ms after its last sign */
    CONTEST_LASTS = 1000,   /* ms: for so long a range that was denied room is waited for */
    MEASURED_AT_ONCE = 4,
};

#define LITTLE ((uint64_t)8 << 20)

static struct {
    uint64_t budget, reclaimable_from; /* bytes */
    struct memory_group group;
    bool heed_pressure;
    uint32_t asked, pressure_until; /* ms, of a clock that wraps; 0: never */
    uint64_t limit_hits;
    uint32_t contest_until, contest_interval; /* ms: the least interval of a range that was denied room */
    bool short_of_room;                       /* since histories were last measured again */
} state;

/* Milliseconds of CLOCK_MONOTONIC_COARSE, never 0. They wrap after 49 days: only differences count. */
static uint32_t now_ms(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now))
        return 1;
    return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000) | 1;
}

static bool is_before(uint32_t time, uint32_t end)
{
    return end && (int32_t)(end - time) > 0;
}

void keeping_start(const struct options *options)
{
    memory_find_group(&state.group);
    state.budget = options->budget_percent ? state.group.limit / 100 * options->budget_percent : options->budget;
    state.reclaimable_from = state.group.limited ? state.group.limit / RECLAIMABLE_SHARE : UINT64_MAX;
    state.limit_hits = memory_limit_hits(&state.group);
    state.heed_pressure = options->pressure;
}

bool keeping_write(uintptr_t start, struct slot_history history)
{
    struct slot_history replaced;
    if (!slot_write(start, history, &replaced)) {
        __atomic_store_n(&state.short_of_room, true, __ATOMIC_RELAXED);
        return false;
    }
    if (replaced.rule == history.rule) {
        count_kept(history.rule % RULES_MAX, ((int64_t)history.kept - (int64_t)replaced.kept) * PAGE);
        return true;
    }
    count_kept(replaced.rule % RULES_MAX, -(int64_t)replaced.kept * PAGE);
    count_kept(history.rule % RULES_MAX, (int64_t)history.kept * PAGE);
    return true;
}

/* True for a range that keeps pages while one that is reset more often was denied room: it makes place. */
static bool loses_contest(uint32_t now, uint32_t interval, const struct slot_history *history)
{
    return history->kept && is_before(now, __atomic_load_n(&state.contest_until, __ATOMIC_RELAXED)) &&
           interval / 2 > __atomic_load_n(&state.contest_interval, __ATOMIC_RELAXED);
}

static void enter_contest(uint32_t now, uint32_t interval)
{
    bool open = is_before(now, __atomic_load_n(&state.contest_until, __ATOMIC_RELAXED));
    if (open && interval >= __atomic_load_n(&state.contest_interval, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&state.contest_interval, interval, __ATOMIC_RELAXED);
    __atomic_store_n(&state.contest_until, now + CONTEST_LASTS, __ATOMIC_RELAXED);
}

uint64_t keeping_room(struct slot_history *history)
{
    uint64_t total = counters_kept_total(), own = (uint64_t)history->kept * PAGE;
    if (__builtin_expect(total < state.budget / 2, 1))
        return (state.budget - total + own) / PAGE;
    uint32_t now = now_ms(), before = history->last_used, interval = now - before;
    uint64_t others = total > own ? total - own : 0, room = state.budget > others ? (state.budget - others) / PAGE : 0;
    history->last_used = now;
    if (before && loses_contest(now, interval, history))
        return 0;
    if (room >= history->pages)
        return room;
    __atomic_store_n(&state.short_of_room, true, __ATOMIC_RELAXED);
    if (before)
        enter_contest(now, interval);
    return room;
}

bool keeping_little(void)
{
    return counters_kept_total() < LITTLE && LITTLE < state.budget;
}

bool keeping_should_be_reclaimable(void)
{
    return __builtin_expect(state.reclaimable_from != UINT64_MAX, 0) &&
           counters_kept_total() > state.reclaimable_from;
}

static void look_for_pressure(uint32_t now)
{
    uint64_t hits = memory_limit_hits(&state.group);
    if (hits != __atomic_load_n(&state.limit_hits, __ATOMIC_RELAXED) || memory_is_contended())
        __atomic_store_n(&state.pressure_until, now + PRESSURE_LASTS, __ATOMIC_RELAXED);
    __atomic_store_n(&state.limit_hits, hits, __ATOMIC_RELAXED);
}

bool keeping_under_pressure(bool turn)
{
    uint32_t until = __atomic_load_n(&state.pressure_until, __ATOMIC_RELAXED);
    if (__builtin_expect(!turn && !until, 1))
        return false;
    if (!state.heed_pressure || process.sandboxed)
        return false;
    uint32_t now = now_ms(), asked = __atomic_load_n(&state.asked, __ATOMIC_RELAXED);
    if (turn && !is_before(now, asked + PRESSURE_ASKED) &&
        __atomic_compare_exchange_n(&state.asked, &asked, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        look_for_pressure(now);
    until = __atomic_load_n(&state.pressure_until, __ATOMIC_RELAXED);
    if (is_before(now, until))
        return true;
    __atomic_store_n(&state.pressure_until, 0, __ATOMIC_RELAXED);
    return false;
}

void keeping_measure_again(void)
{
    uintptr_t start;
    struct slot_history history;
    if (__builtin_expect(!__atomic_load_n(&state.short_of_room, __ATOMIC_RELAXED), 1))
        return;
    __atomic_store_n(&state.short_of_room, false, __ATOMIC_RELAXED);
    for (int i = 0; i < MEASURED_AT_ONCE && slot_next_kept(&start, &history); i++) {
        uintptr_t found_end;
        uint32_t scans = 0;
        long pages = pagemap_count(process.files.pagemap, start, start + (uintptr_t)history.pages * PAGE,
                                   history.kept, &found_end, &scans);
        count(COUNTER_scans, scans);
        if (pages < 0 || (uint64_t)pages >= history.kept)
            continue;
        history.kept = (uint32_t)pages;
        keeping_write(start, history);
    }
}
