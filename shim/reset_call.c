#include "shim/reset_call.h"

#include <errno.h>
#include <sys/mman.h>

#include "scan/pagemap.h"
#include "scan/prim.h"
#include "scan/stores.h"
#include "shim/caller.h"
#include "shim/carry_out.h"
#include "shim/keeping.h"
#include "shim/message.h"
#include "shim/observe.h"
#include "shim/plan.h"
#include "shim/plan_cache.h"
#include "shim/policy.h"
#include "shim/slots.h"
#include "shim/state.h"
#include "shim/statistics.h"
#include "shim/steady.h"
#include "shim/verify.h"

/* The real call, over the whole range, as the program made it. */
static long forward(const struct call *call, size_t length, int advice, enum reason reason, uint32_t matched,
                    bool timed)
{
    uint64_t before = timed ? prim_now() : 0;
    long result = prim_madvise(call->start, length, advice);
    if (timed)
        count(COUNTER_forward_ns, (prim_now() - before) * TIMED_TURNS);
    count_real_call(reason, result == 0 ? prim_pages(length) : 0);
    count_rules(matched, 0, matched);
    return result;
}

/* Does any protection key deny this thread anything? Only asked once a key was allocated: then the processor
   has RDPKRU. */
static bool thread_is_kept_out(void)
{
    uint32_t rights, zero;
    __asm__ volatile("rdpkru" : "=a"(rights), "=d"(zero) : "c"(0));
    return rights != 0;
}

enum reason reset_judge(uintptr_t start, size_t length, uintptr_t caller, struct judged *judged)
{
    struct call *call = &judged->call;
    if (!state_enter())
        return REASON_busy;
    enum reason standing = standing_reason();
    if (unlikely(standing != REASON_COUNT)) {
        if (standing_serves(standing))
            keeping_dropped(start, length);
        return standing;
    }
    if (unlikely(call_is_odd(start, length)))
        return REASON_arguments;
    *call = (struct call){.start = start, .end = call_end(start, length), .caller = caller};
    if (unlikely(process.pkeys) && thread_is_kept_out())
        return REASON_pkeys;
    if (unlikely(process.rules.any_caller))
        call->callers = caller_matches(caller);
    if (!region_may_match(&process.rules, call))
        return REASON_no_rule;
    judged->turn = counters_timed_turn();
    judged->epoch = state_fork_epoch();
    slot_read(start, &judged->history);
    return REASON_COUNT;
}

/* ---- serving ---- */

/* One call on its way through here. */
struct service {
    const struct call *call;
    const struct slot_history *before; /* as it was read, */
    struct slot_history history;       /* and as it is to be written */
    size_t length;
    int advice;
    uint32_t epoch;   /* of forks, when it began */
    uint32_t matched; /* bit i: rule i matched some of it */
    bool timed;
    enum opening opening;
    uint32_t behind; /* pages that a longer reset from the same start kept, and that may lie behind this
                        call's end */
};

/* By words: our own memcmp goes by bytes. */
static bool is_unchanged(const struct slot_history *history, const struct slot_history *before)
{
    const uint64_t *now = (const uint64_t *)history, *then = (const uint64_t *)before;
    return !((now[0] ^ then[0]) | (now[1] ^ then[1]) | (now[2] ^ then[2]) | (now[3] ^ then[3]) |
             (now[4] ^ then[4]) | (now[5] ^ then[5]));
}
_Static_assert(sizeof(struct slot_history) == 6 * sizeof(uint64_t), "is_unchanged compares it all");

static bool remember(const struct service *service)
{
    const struct slot_history *history = &service->history;
    struct slot_history longer;
    if (unlikely(service->behind != 0)) {
        longer = *history;
        longer.kept += service->behind;
        longer.pages = service->before->pages;
        history = &longer;
    }
    return is_unchanged(history, service->before) || keeping_write(service->call->start, history);
}

/* What is remembered of the range that this call begins. */
static void recall(struct service *service)
{
    struct slot_history *history = &service->history;
    *history = *service->before;
    policy_note_length(history, slot_pages(call_pages(service->call)));
    service->behind = slot_kept_behind(service->before, history->pages);
    if (unlikely(service->behind))
        history->kept -= service->behind;
}

/* The real call over the whole range; nothing of it is kept then. */
static long forward_all(struct service *service, enum reason reason)
{
    service->history.kept = 0;
    remember(service);
    return forward(service->call, service->length, service->advice, reason, service->matched, service->timed);
}

static void count_work(const struct work *work, uint32_t matched)
{
    const struct reset_account *account = &work->account;
    if (unlikely(account->real_calls)) {
        count(COUNTER_real_calls, account->real_calls);
        count(COUNTER_pages_forwarded, account->pages_forwarded);
    }
    if (unlikely(account->times != NULL)) {
        count(COUNTER_scan_ns, account->times->scan_ns * TIMED_TURNS);
        count(COUNTER_restore_ns, (account->times->restore_ns + account->blind_ns) * TIMED_TURNS);
        count(COUNTER_forward_ns, account->times->forward_ns * TIMED_TURNS);
    }
    if (unlikely(!work->served)) {
        count(COUNTER_scans, account->scans);
        count(COUNTER_pages_scanned, account->pages_scanned);
        count(COUNTER_pages_restored, account->pages_restored);
        count_rules(matched, 0, matched);
        count_declined(work->first_decline);
        return;
    }
    count_rules(matched, work->served, matched & ~work->served);
    count_served(account->scans, account->pages_scanned, account->pages_restored);
}

/* A descriptor that is no longer ours makes every later call fail too: say so once, and stop asking. */
static __attribute__((cold)) void note_failure(long error)
{
    /* ENOTTY and EBADF also come when the host's dup2 was moving the descriptor just then. */
    if ((error == -EBADF || error == -ENOTTY) && state_is_ours() && !pagemap_works(process.files.pagemap))
        state_stand_down(REASON_no_pagemap, "the descriptor of /proc/self/pagemap was closed under us");
    else if (error == -EPERM && state_is_ours())
        state_stand_down(REASON_seccomp, "PAGEMAP_SCAN is denied");
}

/* What was restored does not stay after all. It is exact again: what the real call drops is fresh. */
static __attribute__((cold)) long give_back(struct service *service, struct work *work, enum reason why)
{
    service->history.kept = 0;
    work->served = 0;
    work->first_decline = why;
    work->account.real_calls++;
    work->account.pages_forwarded += call_pages(service->call);
    return prim_madvise(service->call->start, service->length, service->advice);
}

/* All of it, as one mapping. */
static bool is_anonymous(const struct plan *plan)
{
    return plan->count == 1 && piece_is_anonymous(&plan->piece[0]);
}

/* Lets the kernel take what a reset of anonymous memory keeps, when it needs it: zeroes follow either way. */
static bool make_reclaimable(struct service *service, struct work *work)
{
    uintptr_t start = service->call->start;
    work->account.real_calls++;
    return prim_madvise(start, work->plan->piece[work->plan->count - 1].end - start, MADV_FREE) == 0;
}

/* Were all pages resident, and written by stores without a scan? */
static bool was_whole(const struct service *service, const struct work *work)
{
    uint32_t pages = service->history.pages;
    return work->account.scans + work->account.real_calls == 0 && work->stores_safe &&
           work->account.pages_restored == pages && service->before->kept == pages &&
           service->before->pages == pages;
}

/* Learns from a call that was carried out, and remembers what stays resident. */
static long finish(struct service *service, struct work *work)
{
    struct findings findings = {
        .touched = work->touched,
        .restored = (uint32_t)work->account.pages_restored,
        .unneeded = (uint32_t)work->account.pages_unneeded,
        .image_written = work->image_written,
        .image_pages = (uint32_t)work->image_pages,
    };
    enum reason why = REASON_COUNT;
    if (unlikely(!work->served))
        service->history.kept = 0;
    else if (!policy_close(&process.costs, &service->history, service->opening, &findings))
        why = REASON_policy;
    else if (unlikely(work->account.blind_ns != 0) && was_whole(service, work) &&
             !policy_time_whole(&process.costs, &service->history, work->image_pages, work->account.blind_ns,
                                work->tries_other))
        why = REASON_policy;
    if (work->served && service->history.rule != work->rule)
        service->history.rule = work->rule;
    if (why == REASON_COUNT && service->history.kept && keeping_should_be_reclaimable() &&
        !make_reclaimable(service, work))
        why = REASON_budget;
    if (why == REASON_COUNT && !remember(service) && service->history.kept)
        why = REASON_budget;
    if (likely(why == REASON_COUNT))
        return 0;
    long result = give_back(service, work, why);
    remember(service);
    return result;
}

/* For a look, whether anything was touched since the real call emptied the range; for a long range, where. */
static __attribute__((cold)) long look_around(struct service *service, struct work *work)
{
    enum { ENOUGH = 1024 };
    const struct call *call = service->call;
    uint64_t pages = call_pages(call);
    bool is_long = policy_window(pages, 1) < pages;
    struct pagemap_found found;
    if (service->opening != OPEN_LOOK && !is_long)
        return 0;
    uint64_t before = is_long ? prim_now() : 0;
    long touched =
        pagemap_count(process.files.pagemap, call->start, call->end, ENOUGH, &found, &work->account.scans);
    if (touched < 0)
        return touched;
    work->touched = (uint32_t)touched;
    if (!is_long || touched >= ENOUGH) {
        policy_note_found(&service->history, 0, 0, 0);
        return 0;
    }
    policy_time_scan(&service->history, pages, work->touched, prim_now() - before);
    policy_note_found(&service->history, (uint32_t)((found.end - call->start) / PAGE),
                      (uint32_t)((found.gap_start - call->start) / PAGE),
                      (uint32_t)((found.gap_end - call->start) / PAGE));
    return 0;
}

/* As dense as the last reset from there found it. */
static uint32_t expected_dirty(const struct service *service)
{
    const struct slot_history *before = service->before;
    uint32_t pages = service->history.pages;
    if (likely(before->pages == pages) || !before->pages)
        return before->kept;
    return (uint32_t)((uint64_t)before->kept * pages / before->pages);
}

/* What the last reset left resident, unless a mapping call may have dropped it, or the kernel when it was
   short of memory. Where a range is written whole for it, a scan on each turn says whether it is still so. */
static uint32_t surely_kept(const struct service *service, const struct plan *plan)
{
    if (unlikely(!plan->cached || service->timed || keeping_should_be_reclaimable()))
        return 0;
    return service->history.kept;
}

/* Every member by an assignment of its own: an initialiser would first clear it all (12 ns). */
static void begin_work(struct work *work, struct service *service, const struct plan *plan,
                       struct reset_times *times)
{
    work->call = service->call;
    work->plan = plan;
    reset_account_begin(&work->account, service->advice, service->opening == OPEN_AUDIT,
                        service->call->vectors_free, times);
    work->account.time_blind |=
        service->before->pages == service->history.pages && policy_wants_time(&service->history);
    /* Beside an image the calls after it take longer, which no clock here sees: 32 KiB a fifth (Zen 5). */
    bool vectors_free = is_anonymous(plan) && service->call->vectors_free && stores_vector;
    work->tries_other = vectors_free && policy_tries_other(&service->history, service->timed);
    work->account.by_vectors = vectors_free && service->history.vectors != work->tries_other;
    work->learning = service->opening == OPEN_LOOK || service->opening == OPEN_AUDIT;
    /* The kernel refuses MADV_FREE where a file is mapped. */
    work->pages_most =
        keeping_should_be_reclaimable() && !is_anonymous(plan) ? 0 : keeping_room(&service->history);
    work->expected = expected_dirty(service);
    work->resident = surely_kept(service, plan);
    work->dirty = service->history.dirty;
    work->image_dirty = service->history.image_dirty;
    work->known = service->history.dirty || service->history.touched;
    work->page_ns = service->history.page_ns;
    work->touched = 0;
}

/* Notes whether the next call will go the same way, and teach nothing. A scan that turns out to find
   something else was in vain: let that happen once a turn at the most. */
static void note_steady(const struct service *service, struct plan *plan, const struct work *work)
{
    const struct slot_history *history = &service->history;
    bool settled = service->opening == OPEN_SERVE && history->state == SLOT_SERVE && !history->window &&
                   !history->gap_end && history->kept == service->before->kept &&
                   process.options.mode != MODE_VERIFY &&
                   !(policy_wants_time(history) && was_whole(service, work));
    struct plan_key key = plan_key_of(service->call, service->advice);
    enum steady steady = settled ? steady_next(&key, work, history) : STEADY_NOT;
    if (steady == STEADY_SCAN && plan->steady != STEADY_SCAN && !service->timed)
        steady = STEADY_NOT;
    if (likely(steady == plan->steady) && likely(plan->promised || !service->timed))
        return;
    plan->steady = (uint8_t)steady;
    if (steady != STEADY_NOT && !plan->promised)
        plan_cache_remember(&key, plan->era, plan);
    else
        plan_cache_note_steady(&key, plan->era, steady);
}

static long serve(struct service *service, struct plan *plan)
{
    const struct call *call = service->call;
    struct reset_times times = {0};
    struct work work;
    begin_work(&work, service, plan, service->timed ? &times : NULL);
    long error = unlikely(work.learning) ? look_around(service, &work) : 0;
    if (unlikely(service->opening == OPEN_LOOK) && !error && !work.touched) {
        policy_close(&process.costs, &service->history, OPEN_LOOK, &(struct findings){0});
        count(COUNTER_scans, work.account.scans);
        return forward_all(service, REASON_policy);
    }
    if (unlikely(service->history.window != 0))
        plan_trim(plan, call->start + policy_window(call_pages(call), service->history.window) * PAGE);
    if (unlikely(service->history.gap_end != 0))
        plan_cut(plan, call->start, call->start + (uintptr_t)service->history.gap_start * PAGE,
                 call->start + (uintptr_t)service->history.gap_end * PAGE);
    if (work.expected < work.touched)
        work.expected = work.touched;
    if (!error)
        error = carry_out(&work);
    /* A fork in the middle (in a signal handler) leaves this child with its parent's scan. */
    if (!error && (state_fork_epoch() != service->epoch || service->epoch == NO_EPOCH))
        error = -ESTALE;
    if (unlikely(error)) {
        count(COUNTER_real_calls, work.account.real_calls);
        count(COUNTER_scans, work.account.scans);
        note_failure(error);
        return forward_all(service, REASON_failed);
    }
    if (unlikely(service->timed) && (service->history.window || service->history.gap_end))
        policy_time_rest(&service->history, work.account.pages_forwarded, times.forward_ns);
    long result = finish(service, &work);
    keeping_take_over(call->start, call_pages(call), service->timed);
    count_work(&work, service->matched);
    note_steady(service, plan, &work);
    if (unlikely(process.options.mode == MODE_VERIFY) && work.served)
        return verify_call(call, plan, service->advice);
    return result;
}

/* Does the policy of each rule that serves a piece learn? */
static bool plan_is_automatic(const struct plan *plan)
{
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->answer[i].hindrance == REASON_COUNT &&
            process.rules.rule[plan->answer[i].rule].policy != POLICY_AUTO)
            return false;
    return true;
}

static inline enum opening open_range(struct service *service, enum reason *why)
{
    bool trusting = unlikely(service->history.state == SLOT_NEW) && keeping_little();
    return policy_open(&service->history, service->timed, trusting, why);
}

static long open_and_serve(struct service *service)
{
    bool automatic = !process.rules.any_forced;
    enum reason why = REASON_COUNT;
    struct plan plan;
    recall(service);
    if (keeping_under_pressure(service->timed))
        return forward_all(service, REASON_pressure);
    if (unlikely(!service->before->pages) && !keeping_has_place(service->call->start))
        return forward_all(service, REASON_budget);
    service->opening = automatic ? open_range(service, &why) : OPEN_SERVE;
    if (service->opening == OPEN_FORWARD)
        return forward_all(service, why);
    enum reason refused = plan_call(service->call, service->advice, &plan);
    service->matched = plan.matched;
    if (unlikely(!automatic) && refused == REASON_COUNT && plan_is_automatic(&plan))
        service->opening = open_range(service, &why);
    if (unlikely(refused != REASON_COUNT) && automatic && refused != REASON_busy)
        policy_refused(&service->history, refused);
    if (unlikely(refused != REASON_COUNT || service->opening == OPEN_FORWARD))
        return forward_all(service, refused != REASON_COUNT ? refused : why);
    return serve(service, &plan);
}

/* Each in a frame of its own, which the other does not pay for; reached by a jump, for the sake of the
 * returns. */
static __attribute__((noinline)) long answer_call(const struct judged *judged, size_t length, int advice)
{
    struct service service;
    service.call = &judged->call;
    service.before = &judged->history;
    service.length = length;
    service.advice = advice;
    service.epoch = judged->epoch;
    service.matched = 0;
    service.timed = judged->turn;
    long result = open_and_serve(&service);
    if (unlikely(service.timed))
        keeping_measure_again();
    return result;
}

long reset_judged(const struct judged *judged, size_t length, int advice)
{
    if (unlikely(process.options.mode == MODE_OBSERVE))
        return observe_call(&judged->call, length, advice, judged->turn);
    return answer_call(judged, length, advice);
}
