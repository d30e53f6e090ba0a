#include "shim/keeping.h"

#include "scan/call_path.h"
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
    MEASURED_AT_ONCE = SLOT_WAYS,
    TAKE_OVER = 512, /* pages, each of which takes 10 ns, as do as many before them; on a turn */
    TAKE_OVER_ON_TURN = 8 * TAKE_OVER,
    OVERLAPS_LAST = 64, /* looks that find nothing, before the next is left to a turn */
};

#define LITTLE ((uint64_t)8 << 20)

static struct {
    uint64_t budget, reclaimable_from; /* bytes */
    uint64_t easy_below;               /* bytes kept: less than half of the one, and not past the other */
    struct memory_group group;
    bool heed_pressure;
    uint64_t asked, pressure_until; /* ms; 0: never */
    /* Of a range that was denied room: until when it is waited for (ms), how often it is reset (ms), and how
       many pages it wants. Of those that were, the one that is reset most often. */
    uint64_t contest_until, contest_interval, contest_pages;
    bool short_of_room;    /* since histories were last measured again */
    uint32_t overlapping;  /* looks at what others kept, since ranges were seen to overlap; 0: none is due */
    uintptr_t turned_away; /* the start of a range for which the table had no place; 0: none */
    uint32_t hand;         /* goes round the table */
} state;

/* Milliseconds of CLOCK_MONOTONIC_COARSE, never 0. */
static uint64_t now_ms(void)
{
    return prim_now_coarse() / 1000000 | 1;
}

void keeping_start(const struct options *options)
{
    memory_find_group(&state.group);
    state.budget =
        options->budget_percent ? state.group.limit / 100 * options->budget_percent : options->budget;
    state.reclaimable_from = state.group.limited ? state.group.limit / RECLAIMABLE_SHARE : UINT64_MAX;
    state.easy_below = state.budget > 2 ? state.budget / 2 : 1;
    if (state.easy_below > state.reclaimable_from)
        state.easy_below = state.reclaimable_from + 1;
    state.heed_pressure = options->pressure;
}

void keeping_watch_memory(void)
{
    if (state.heed_pressure)
        memory_files_open(&state.group, &process.memory);
}

static bool is_half_spent(void)
{
    uint64_t total = counters_kept_total();
    return unlikely(total >= state.budget / 2 && total);
}

static __attribute__((cold)) void note_turned_away(uintptr_t start)
{
    __atomic_store_n(&state.turned_away, start, __ATOMIC_RELAXED);
    __atomic_store_n(&state.short_of_room, true, __ATOMIC_RELAXED);
}

bool keeping_has_place(uintptr_t start)
{
    if (likely(slot_has_place(start)))
        return true;
    note_turned_away(start);
    return false;
}

bool keeping_write(uintptr_t start, const struct slot_history *history)
{
    struct slot_history replaced;
    if (!slot_write(start, history, &replaced)) {
        note_turned_away(start);
        return false;
    }
    if (likely(replaced.rule == history->rule)) {
        count_kept(history->rule % RULES_MAX, ((int64_t)history->kept - (int64_t)replaced.kept) * PAGE);
        return true;
    }
    count_kept(replaced.rule % RULES_MAX, -(int64_t)replaced.kept * PAGE);
    count_kept(history->rule % RULES_MAX, (int64_t)history->kept * PAGE);
    return true;
}

/* The range keeps at most so many pages, of its first ones. Did it keep more? */
static bool lower_kept(uintptr_t start, uint32_t pages, uint32_t kept)
{
    uint8_t rule;
    uint32_t taken = slot_yield(start, pages, kept, &rule);
    count_kept(rule % RULES_MAX, -(int64_t)taken * PAGE);
    return taken != 0;
}

void keeping_dropped(uintptr_t start, size_t length)
{
    struct slot_history history;
    slot_read(start, &history);
    if (history.kept)
        lower_kept(start, history.pages, slot_kept_behind(&history, prim_pages(length)));
}

/* Leaves to the range at other what lies outside of [start, end). Did it keep more? */
static bool take_from(uintptr_t other, uintptr_t start, uintptr_t end)
{
    struct slot_history history;
    slot_read(other, &history);
    uintptr_t other_end = other + (uintptr_t)history.pages * PAGE, from = other > start ? other : start,
              to = other_end < end ? other_end : end;
    if (!history.kept || to <= from)
        return false;
    uint32_t outside = history.pages - (uint32_t)((to - from) / PAGE);
    bool at_end = other < start && to == other_end;
    return lower_kept(other, at_end ? outside : history.pages, outside);
}

void keeping_take_over(uintptr_t start, uint64_t pages, bool turn)
{
    if (!is_half_spent() || pages > (turn ? TAKE_OVER_ON_TURN : TAKE_OVER))
        return;
    uint32_t left = __atomic_load_n(&state.overlapping, __ATOMIC_RELAXED);
    if (!turn && !left)
        return;
    uintptr_t length = pages * PAGE, end = start + length;
    bool found = false;
    for (uintptr_t other = start > length ? start - length : PAGE; other < end; other += PAGE)
        if (other != start)
            found |= take_from(other, start, end);
    uint32_t next = found ? OVERLAPS_LAST : left ? left - 1 : 0;
    if (next != left)
        __atomic_store_n(&state.overlapping, next, __ATOMIC_RELAXED);
}

/* How many pages must be left to a range that was denied them and is reset more than twice as often. One that
   was never seen before keeps what it has, and takes no more. */
static uint64_t pages_reserved(uint64_t now, uint32_t interval, const struct slot_history *history,
                               bool known)
{
    if (now >= __atomic_load_n(&state.contest_until, __ATOMIC_RELAXED))
        return 0;
    if (known ? interval / 2 <= __atomic_load_n(&state.contest_interval, __ATOMIC_RELAXED)
              : history->kept != 0)
        return 0;
    return __atomic_load_n(&state.contest_pages, __ATOMIC_RELAXED);
}

static void enter_contest(uint64_t now, uint32_t interval, uint64_t pages)
{
    bool open = now < __atomic_load_n(&state.contest_until, __ATOMIC_RELAXED);
    if (open && interval > __atomic_load_n(&state.contest_interval, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&state.contest_interval, interval, __ATOMIC_RELAXED);
    __atomic_store_n(&state.contest_pages, pages, __ATOMIC_RELAXED);
    __atomic_store_n(&state.contest_until, now + CONTEST_LASTS, __ATOMIC_RELAXED);
}

uint64_t keeping_room(struct slot_history *history)
{
    uint64_t total = counters_kept_total(), own = (uint64_t)history->kept * PAGE;
    if (!is_half_spent())
        return (state.budget - total + own) / PAGE;
    uint64_t now = now_ms();
    uint64_t others = total > own ? total - own : 0,
             room = state.budget > others ? (state.budget - others) / PAGE : 0;
    bool known = history->last_used != 0;
    uint32_t interval = (uint32_t)now - history->last_used;
    history->last_used = (uint32_t)now;
    uint64_t reserved = pages_reserved(now, interval, history, known);
    room = room > reserved ? room - reserved : 0;
    if (room >= history->pages)
        return room;
    __atomic_store_n(&state.short_of_room, true, __ATOMIC_RELAXED);
    if (known && !reserved)
        enter_contest(now, interval, history->pages);
    return room;
}

INLINED bool keeping_is_at_ease(void)
{
    return counters_kept_total() < state.easy_below &&
           !__atomic_load_n(&state.pressure_until, __ATOMIC_RELAXED);
}

bool keeping_little(void)
{
    return counters_kept_total() < LITTLE && LITTLE < state.budget;
}

bool keeping_should_be_reclaimable(void)
{
    return unlikely(state.reclaimable_from != UINT64_MAX) && counters_kept_total() > state.reclaimable_from;
}

static __attribute__((cold)) void look_for_pressure(uint64_t now)
{
    if (memory_is_short(&state.group, &process.memory) || memory_is_contended(&process.memory))
        __atomic_store_n(&state.pressure_until, now + PRESSURE_LASTS, __ATOMIC_RELAXED);
}

bool keeping_under_pressure(bool turn)
{
    uint64_t until = __atomic_load_n(&state.pressure_until, __ATOMIC_RELAXED);
    if (likely(!turn && !until))
        return false;
    if (!state.heed_pressure || process.sandboxed)
        return false;
    uint64_t now = now_ms(), asked = __atomic_load_n(&state.asked, __ATOMIC_RELAXED);
    if (turn && now >= asked + PRESSURE_ASKED &&
        __atomic_compare_exchange_n(&state.asked, &asked, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        look_for_pressure(now);
    until = __atomic_load_n(&state.pressure_until, __ATOMIC_RELAXED);
    if (now < until)
        return true;
    __atomic_store_n(&state.pressure_until, 0, __ATOMIC_RELAXED);
    return false;
}

static __attribute__((cold)) void measure_some(uint32_t *hand)
{
    uintptr_t start;
    struct slot_history history;
    for (int i = 0; i < MEASURED_AT_ONCE && slot_next_kept(hand, &start, &history); i++) {
        struct pagemap_found found;
        uint32_t scans = 0;
        long pages = pagemap_count(process.files.pagemap, start, start + (uintptr_t)history.pages * PAGE,
                                   history.kept, &found, &scans);
        count(COUNTER_scans, scans);
        if (pages >= 0)
            lower_kept(start, history.pages, (uint32_t)pages);
    }
}

void keeping_measure_again(void)
{
    if (likely(!__atomic_load_n(&state.short_of_room, __ATOMIC_RELAXED)) && !keeping_should_be_reclaimable())
        return;
    __atomic_store_n(&state.short_of_room, false, __ATOMIC_RELAXED);
    uintptr_t turned_away = __atomic_exchange_n(&state.turned_away, 0, __ATOMIC_RELAXED);
    if (turned_away) {
        uint32_t hand = slot_hand_for(turned_away);
        measure_some(&hand);
    }
    measure_some(&state.hand);
}
