#include "shim/steady.h"

#include "scan/again.h"
#include "scan/call_path.h"
#include "scan/piece.h"
#include "scan/prim.h"
#include "scan/stores.h"
#include "shim/call_range.h"
#include "shim/caller.h"
#include "shim/carry_out.h"
#include "shim/keeping.h"
#include "shim/plan_cache.h"
#include "shim/reset_call.h"
#include "shim/slots.h"
#include "shim/state.h"

/* How the calls of a key go that are steady; kept is in pages, matched as in struct steady_plan. */
struct way {
    enum steady steady;
    uint32_t kept, matched;
    unsigned pieces;
    const struct piece *piece;
    bool vectors_free;
};

ALWAYS_INLINE bool scan_again(const struct plan_key *key, const struct way *way)
{
    uint32_t forks = __atomic_load_n(&process.forks, __ATOMIC_ACQUIRE);
    uint64_t pages_scanned;
    bool again = again_scanned(process.files.pagemap, key->start, way->piece, way->pieces, way->kept,
                               way->vectors_free, &pages_scanned);
    /* A fork in the middle (in a signal handler) leaves this child with its parent's scan. */
    if (likely(again) && likely(state_fork_epoch() == forks)) {
        count_steady(1, pages_scanned, way->kept, way->matched);
        return true;
    }
    count(COUNTER_scans, 1);
    count(COUNTER_pages_scanned, pages_scanned);
    return false;
}

ALWAYS_INLINE bool write_again(const struct plan_key *key, const struct way *way)
{
    uint64_t length = key->end - key->start;
    bool fill = unlikely(way->steady == STEADY_FILL);
    /* A real call in between has left nothing of it kept. */
    if (unlikely(way->kept != length / PAGE) || unlikely(!fill && state_has_guards()))
        return false;
    bool written = fill ? stores_zeroes_safely(&process.files.zero, key->start, length) == 0
                        : again_whole(key->start, way->piece, way->pieces, way->vectors_free,
                                      way->vectors_free && way->steady == STEADY_VECTORS);
    if (likely(written))
        count_steady(0, 0, way->kept, way->matched);
    return written;
}

ALWAYS_INLINE bool go_again(const struct plan_key *key, const struct way *way)
{
    return likely(way->steady == STEADY_SCAN) ? scan_again(key, way) : write_again(key, way);
}

ALWAYS_INLINE bool reset_again(const struct plan_entry *entry, const struct plan_key *key, bool vectors_free)
{
    struct steady_plan plan;
    struct way way = {.steady = plan_cache_steady(entry, key, &plan), .vectors_free = vectors_free};
    uint64_t pages = (key->end - key->start) / PAGE;
    if (unlikely(way.steady == STEADY_NOT || !slot_serves(key->start, pages, plan.rule, &way.kept) ||
                 !keeping_is_at_ease()))
        return false;
    if (!plan.promised && unlikely(!plan_stands(key->start, key->advice, plan.piece, plan.count)))
        return false;
    way.matched = plan.matched;
    way.pieces = plan.count;
    way.piece = plan.piece;
    if (unlikely(plan.count > 1) || unlikely(!piece_is_anonymous(plan.piece)))
        return go_again(key, &way);
    /* The compiler knows all of this one, and leaves out what images and more pieces need. */
    const struct piece whole = {.end = key->end};
    way.pieces = 1;
    way.piece = &whole;
    return go_again(key, &way);
}

/* Whatever else is odd about the arguments fits no plan's key. */
INLINED bool steady_call(uintptr_t start, size_t length, int advice, uintptr_t caller, bool vectors_free)
{
    struct plan_entry *entry = plan_cache_may_be_steady(start);
    if (likely(!entry) || unlikely(!length || counters_turn_is_due() || !state_is_entered() ||
                                   standing_reason() != REASON_COUNT || process.pkeys))
        return false;
    struct plan_key key = {.start = start, .end = call_end(start, length), .advice = advice};
    if (unlikely(process.rules.any_caller))
        key.callers = caller_matches(caller);
    if (unlikely(!reset_again(entry, &key, vectors_free))) {
        /* Of a copy, so that the key itself is in registers. */
        struct plan_key other = key;
        plan_cache_end_steady(entry, &other);
        return false;
    }
    counters_turn_is_over();
    return true;
}

enum steady steady_next(const struct plan_key *key, const struct work *work,
                        const struct slot_history *history)
{
    const struct reset_account *account = &work->account;
    uint64_t pages = call_pages(work->call), kept = history->kept;
    if (account->real_calls || !work->served || !plan_cache_can_be_steady(key, work->plan) ||
        !keeping_is_at_ease())
        return STEADY_NOT;
    if (account->scans == 0) {
        bool whole = kept == pages && policy_streams(pages) < pages;
        return !whole               ? STEADY_NOT
               : !work->stores_safe ? STEADY_FILL
               : history->vectors   ? STEADY_VECTORS
                                    : STEADY_WHOLE;
    }
    /* Where more are dirty, the complement may be what is asked for. */
    bool few = kept < AGAIN_MOST && 2 * kept <= pages;
    return account->scans == 1 && account->pages_scanned == pages && few ? STEADY_SCAN : STEADY_NOT;
}
