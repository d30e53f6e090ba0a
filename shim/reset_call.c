#include "shim/reset_call.h"

#include <errno.h>
#include <time.h>

#include "scan/prim.h"
#include "scan/reset.h"
#include "shim/caller.h"
#include "shim/live.h"
#include "shim/message.h"
#include "shim/plan.h"
#include "shim/policy.h"
#include "shim/slots.h"
#include "shim/state.h"
#include "shim/statistics.h"
#include "shim/verify.h"

/* The highest address a user mapping can end at, with 47 bits or with 57: beyond it the kernel judges. */
#define USER_END ((uintptr_t)1 << 56)

long pass_on_madvise(uintptr_t start, size_t length, int advice)
{
    count(COUNTER_real_calls, 1);
    return prim_madvise(start, length, advice);
}

static uint64_t clock_now(void)
{
    struct timespec now;
    return clock_gettime(CLOCK_MONOTONIC, &now) ? 0
                                                : (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t pages_of(size_t length)
{
    return length / PAGE + (length % PAGE != 0);
}

/* The real call, over the whole range, as the program made it. */
static long forward(uintptr_t start, size_t length, int advice, enum reason reason, uint32_t matched)
{
    bool timed = counters_timed_turn();
    uint64_t before = timed ? clock_now() : 0;
    long result = prim_madvise(start, length, advice);
    if (timed)
        count(COUNTER_forward_ns, (clock_now() - before) * TIMED_TURNS);
    count(COUNTER_real_calls, 1);
    count(COUNTER_forwarded, 1);
    count_declined(reason);
    if (result == 0)
        count(COUNTER_pages_forwarded, pages_of(length));
    count_rules(matched, 0, matched);
    return result;
}

/* What can be said before the mappings are known. */
static enum reason judge_call(uintptr_t start, size_t length, uintptr_t caller, struct call *call)
{
    enum reason standing = standing_reason();
    if (standing != REASON_COUNT)
        return standing;
    /* The kernel rounds the length up to pages; what is odd about address or length is its to answer. */
    uintptr_t end = start + ((length + PAGE - 1) & -(size_t)PAGE);
    if (start % PAGE || !length || end <= start || end > USER_END || length > USER_END)
        return REASON_arguments;
    *call = (struct call){start, end, 0};
    if (process.rules.any_caller)
        call->callers = caller_matches(caller);
    return region_may_match(&process.rules, call) ? REASON_COUNT : REASON_no_rule;
}

/* ---- carrying out a plan ---- */

/* One call as it is carried out. */
struct work {
    const struct call *call;
    const struct plan *plan;
    struct reset_account account;
    uint64_t scan_ns, restore_ns, forward_ns; /* measured when timed */
    bool timed;
    uint32_t served;           /* bit i: rule i served a piece */
    uintptr_t pending;         /* [pending, position) waits for the real call */
    enum reason first_decline; /* of the pieces that wait */
};

static long real_call(struct work *work, uintptr_t start, uintptr_t end)
{
    if (start == end)
        return 0;
    uint64_t before = work->timed ? clock_now() : 0;
    long result = prim_madvise(start, end - start, work->account.advice);
    if (work->timed)
        work->forward_ns += clock_now() - before;
    work->account.real_calls++;
    work->account.pages_forwarded += (end - start) / PAGE;
    return result;
}

/* Pages that a reset left resident, and what the policy may learn from it. */
static void remember_slot(uintptr_t start, unsigned rule, uint32_t streak, uint64_t kept_pages)
{
    struct slot_history before = slot_read(start);
    struct slot_history after = {
        .kept = (uint32_t)kept_pages,
        .streak = (uint8_t)streak,
        .rule = (uint8_t)rule,
        .serves = before.serves < UINT16_MAX ? before.serves + 1 : UINT16_MAX,
    };
    if (before.kept == after.kept && before.streak == after.streak && before.serves == after.serves)
        return;
    struct slot_history replaced = slot_write(start, after);
    count_kept(replaced.rule % RULES_MAX, -(int64_t)replaced.kept * PAGE);
    count_kept(rule, (int64_t)after.kept * PAGE);
}

static enum decision decide(const struct work *work, const struct plan_piece *piece, uintptr_t start,
                            uint32_t streak, uint64_t keep_pages)
{
    uint64_t spent = work->account.pages_restored;
    struct policy_input input = {
        .rule = process.rules.rule[piece->rule].policy,
        .blind_possible = piece->image.kind == IMAGE_NONE && process.files.zero >= 0,
        .pages = (piece->end - start) / PAGE,
        .pages_left = keep_pages > spent ? keep_pages - spent : 0,
        .streak = streak,
    };
    return policy_decide(&input);
}

/* Resets one piece. Returns as reset_piece does, or -EAGAIN: the policy says forward. */
static int serve_piece(struct work *work, const struct plan_piece *piece, uintptr_t start, uintptr_t *stopped)
{
    uint64_t keep_pages = process.rules.rule[piece->rule].keep / PAGE;
    uint32_t streak = slot_read(start).streak;
    enum decision decision = decide(work, piece, start, streak, keep_pages);
    if (decision == DECIDE_FORWARD)
        return -EAGAIN;
    struct reset_account *account = &work->account;
    uint64_t restored = account->pages_restored, pages = (piece->end - start) / PAGE;
    struct reset_piece reset = {
        .start = start,
        .end = piece->end,
        .image = piece->image.kind == IMAGE_NONE ? NULL : &piece->image,
        .offset = piece->offset,
        .method = decision == DECIDE_BLIND ? RESET_BLIND : RESET_SCAN,
        .careful = process.careful || work->plan->unconfirmed,
        .unconfirmed = work->plan->unconfirmed,
    };
    account->pages_left = keep_pages - restored;
    int result = reset_piece(&process.files, &reset, account, stopped);
    restored = account->pages_restored - restored;
    streak =
        decision == DECIDE_BLIND ? policy_after_blind(streak) : policy_after_scan(streak, pages, restored);
    remember_slot(start, (unsigned)piece->rule, streak, result < 0 ? 0 : restored);
    return result;
}

/* Carries out all pieces in address order. Returns 0, or a negative errno: the caller gives the whole range
   to the real call, which is exact whatever was done so far. */
static long work_through(struct work *work)
{
    uintptr_t position = work->call->start;
    work->pending = position;
    for (unsigned i = 0; i < work->plan->count; position = work->plan->piece[i++].end) {
        const struct plan_piece *piece = &work->plan->piece[i];
        uintptr_t stopped;
        bool servable = piece->hindrance == REASON_COUNT;
        /* What waits must be done first: a mapping that refuses the call leaves all behind it untouched. */
        long error = servable ? real_call(work, work->pending, position) : 0;
        if (error)
            return error;
        int result = servable ? serve_piece(work, piece, position, &stopped) : -EAGAIN;
        if (result == -EAGAIN) {
            if (servable)
                work->pending = position;
            if (work->first_decline == REASON_COUNT)
                work->first_decline = servable ? REASON_policy : piece->hindrance;
            continue;
        }
        if (result < 0)
            return result;
        work->served |= 1u << piece->rule;
        if (result == 1)
            return real_call(work, stopped, work->call->end);
        work->pending = piece->end;
    }
    return real_call(work, work->pending, work->call->end);
}

static void count_work(const struct work *work, uint32_t matched)
{
    const struct reset_account *account = &work->account;
    count(COUNTER_real_calls, account->real_calls);
    count(COUNTER_pages_scanned, account->pages_scanned);
    count(COUNTER_pages_restored, account->pages_restored);
    count(COUNTER_pages_forwarded, account->pages_forwarded);
    count(COUNTER_scans, account->scans);
    if (work->timed) {
        count(COUNTER_scan_ns, work->scan_ns * TIMED_TURNS);
        count(COUNTER_restore_ns, work->restore_ns * TIMED_TURNS);
        count(COUNTER_forward_ns, work->forward_ns * TIMED_TURNS);
    }
    count_rules(matched, work->served, matched & ~work->served);
    if (work->served) {
        count(COUNTER_served, 1);
    } else {
        count(COUNTER_forwarded, 1);
        count_declined(work->first_decline);
    }
}

/* A descriptor that is no longer ours makes every later call fail too: say so once, and stop asking. */
static void note_failure(long error)
{
    if ((error == -EBADF || error == -ENOTTY) && state_is_ours())
        state_stand_down(REASON_no_pagemap, "the descriptor of /proc/self/pagemap was closed under us");
    else if (error == -EPERM && state_is_ours())
        state_stand_down(REASON_seccomp, "PAGEMAP_SCAN is denied");
}

static long carry_out(const struct call *call, size_t length, int advice, const struct plan *plan,
                      uint32_t matched)
{
    struct work work = {
        .call = call,
        .plan = plan,
        .account = {.advice = advice},
        .timed = counters_timed_turn(),
        .first_decline = REASON_COUNT,
    };
    if (work.timed) {
        work.account.scan_ns = &work.scan_ns;
        work.account.restore_ns = &work.restore_ns;
    }
    long error = work_through(&work);
    /* A fork in the middle (in a signal handler) leaves this child with its parent's scan. */
    if (!error && __atomic_load_n(process.fork_mark, __ATOMIC_RELAXED) != FORK_MARK_SET)
        error = -ESTALE;
    if (error) {
        count(COUNTER_real_calls, work.account.real_calls);
        note_failure(error);
        return forward(call->start, length, advice, REASON_failed, matched);
    }
    count_work(&work, matched);
    if (process.options.mode == MODE_VERIFY && work.served)
        return verify_call(call, plan, advice);
    return 0;
}

/* ---- */

static enum reason plan_for(uintptr_t start, size_t length, int advice, uintptr_t caller, struct call *call,
                            struct plan *plan, uint32_t *matched)
{
    if (!state_enter())
        return REASON_busy;
    enum reason reason = judge_call(start, length, caller, call);
    return reason == REASON_COUNT ? plan_call(call, advice, plan, matched) : reason;
}

long reset_call(uintptr_t start, size_t length, int advice, uintptr_t caller)
{
    struct call call;
    struct plan plan;
    uint32_t matched = 0;
    enum reason reason = plan_for(start, length, advice, caller, &call, &plan, &matched);
    long result = reason == REASON_COUNT ? carry_out(&call, length, advice, &plan, matched)
                                         : forward(start, length, advice, reason, matched);
    live_publish();
    statistics_now_and_then();
    return result;
}
