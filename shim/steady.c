#include "shim/steady.h"

#include "scan/again.h"
#include "scan/call_path.h"
#include "scan/prim.h"
#include "shim/carry_out.h"
#include "shim/keeping.h"
#include "shim/plan_cache.h"
#include "shim/reset_call.h"
#include "shim/slots.h"
#include "shim/state.h"

static inline __attribute__((always_inline)) bool scan_again(const struct judged *judged,
                                                             const struct steady_plan *plan, uint32_t kept)
{
    uint32_t epoch = state_fork_epoch();
    uint64_t pages_scanned;
    bool again = again_scanned(process.files.pagemap, judged->call.start, plan->piece, plan->count, kept,
                               &pages_scanned);
    /* A fork in the middle (in a signal handler) leaves this child with its parent's scan. */
    if (likely(again) && likely(state_fork_epoch() == epoch && epoch != NO_EPOCH)) {
        count_served(1, pages_scanned, kept);
        return true;
    }
    count(COUNTER_scans, 1);
    count(COUNTER_pages_scanned, pages_scanned);
    return false;
}

/* In a frame of its own, which a call that is answered otherwise does not pay for. */
__attribute__((noinline)) bool steady_answer(const struct judged *judged, int advice)
{
    const struct call *call = &judged->call;
    struct plan_key key = plan_key_of(call, advice);
    struct steady_plan plan;
    enum steady steady = plan_cache_steady(judged->steady, &key, &plan);
    uint32_t kept;
    if (unlikely(steady == STEADY_NOT || !slot_serves(call->start, call_pages(call), plan.rule, &kept) ||
                 !keeping_is_at_ease()))
        return false;
    if (!plan.promised && unlikely(!plan_stands(call, advice, plan.piece, plan.count)))
        return false;
    if (likely(steady == STEADY_SCAN)) {
        if (unlikely(!scan_again(judged, &plan, kept)))
            return false;
    } else {
        /* A real call in between has left nothing of it kept. */
        if (unlikely(kept != call_pages(call) || state_has_guards() ||
                     !again_whole(call->start, plan.piece, plan.count)))
            return false;
        count_served(0, 0, kept);
    }
    count_rules(plan.matched, plan.matched, 0);
    return true;
}

enum steady steady_next(const struct plan_key *key, const struct work *work, uint64_t kept)
{
    const struct reset_account *account = &work->account;
    uint64_t pages = call_pages(work->call);
    if (account->real_calls || !work->served || !plan_cache_can_be_steady(key, work->plan) ||
        !keeping_is_at_ease())
        return STEADY_NOT;
    if (account->scans == 0)
        return work->stores_safe && kept == pages && !policy_streams(pages) ? STEADY_WHOLE : STEADY_NOT;
    /* Where more are dirty, the complement may be what is asked for. */
    bool few = kept < AGAIN_MOST && 2 * kept <= pages;
    return account->scans == 1 && account->pages_scanned == pages && few ? STEADY_SCAN : STEADY_NOT;
}
