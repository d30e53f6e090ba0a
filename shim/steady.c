#include "shim/steady.h"

#include "scan/again.h"
#include "scan/call_path.h"
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

ALWAYS_INLINE bool scan_again(const struct plan_key *key, const struct steady_plan *plan, uint32_t kept,
                              bool vectors_free)
{
    uint32_t forks = __atomic_load_n(&process.forks, __ATOMIC_ACQUIRE);
    uint64_t pages_scanned;
    bool again = again_scanned(process.files.pagemap, key->start, plan->piece, plan->count, kept,
                               vectors_free, &pages_scanned);
    /* A fork in the middle (in a signal handler) leaves this child with its parent's scan. */
    if (likely(again) && likely(state_fork_epoch() == forks)) {
        count_steady(1, pages_scanned, kept, plan->matched);
        return true;
    }
    count(COUNTER_scans, 1);
    count(COUNTER_pages_scanned, pages_scanned);
    return false;
}

ALWAYS_INLINE bool write_again(const struct plan_key *key, const struct steady_plan *plan, enum steady steady,
                               bool vectors_free)
{
    if (unlikely(steady == STEADY_FILL))
        return stores_zeroes_safely(&process.files.zero, key->start, key->end - key->start) == 0;
    return likely(!state_has_guards()) && again_whole(key->start, plan->piece, plan->count, vectors_free);
}

ALWAYS_INLINE bool reset_again(const struct plan_entry *entry, const struct plan_key *key, bool vectors_free)
{
    uint64_t pages = (key->end - key->start) / PAGE;
    struct steady_plan plan;
    enum steady steady = plan_cache_steady(entry, key, &plan);
    uint32_t kept;
    if (unlikely(steady == STEADY_NOT || !slot_serves(key->start, pages, plan.rule, &kept) ||
                 !keeping_is_at_ease()))
        return false;
    if (!plan.promised && unlikely(!plan_stands(key->start, key->advice, plan.piece, plan.count)))
        return false;
    if (likely(steady == STEADY_SCAN))
        return likely(scan_again(key, &plan, kept, vectors_free));
    /* A real call in between has left nothing of it kept. */
    if (unlikely(kept != pages) || unlikely(!write_again(key, &plan, steady, vectors_free)))
        return false;
    count_steady(0, 0, kept, plan.matched);
    return true;
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

enum steady steady_next(const struct plan_key *key, const struct work *work, uint64_t kept)
{
    const struct reset_account *account = &work->account;
    uint64_t pages = call_pages(work->call);
    if (account->real_calls || !work->served || !plan_cache_can_be_steady(key, work->plan) ||
        !keeping_is_at_ease())
        return STEADY_NOT;
    if (account->scans == 0) {
        bool whole = kept == pages && policy_streams(pages) < pages;
        return !whole ? STEADY_NOT : work->stores_safe ? STEADY_WHOLE : STEADY_FILL;
    }
    /* Where more are dirty, the complement may be what is asked for. */
    bool few = kept < AGAIN_MOST && 2 * kept <= pages;
    return account->scans == 1 && account->pages_scanned == pages && few ? STEADY_SCAN : STEADY_NOT;
}
