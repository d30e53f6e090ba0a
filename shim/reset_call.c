#include "shim/reset_call.h"

#include <errno.h>

#include "scan/pagemap.h"
#include "scan/prim.h"
#include "scan/reset.h"
#include "shim/caller.h"
#include "shim/message.h"
#include "shim/observe.h"
#include "shim/plan.h"
#include "shim/policy.h"
#include "shim/slots.h"
#include "shim/state.h"
#include "shim/statistics.h"
#include "shim/verify.h"

/* The highest address a user mapping can end at, with 47 bits or with 57: beyond it the kernel judges. */
#define USER_END ((uintptr_t)1 << 56)

static uint64_t pages_of(size_t length)
{
    return length / PAGE + (length % PAGE != 0);
}

void reset_count_forwarded(enum reason reason, size_t length, long result)
{
    count_real_call(reason, result == 0 ? pages_of(length) : 0);
    statistics_after_call(counters_timed_turn());
}

/* The real call, over the whole range, as the program made it. */
static long forward(const struct call *call, size_t length, int advice, enum reason reason, uint32_t matched,
                    bool timed)
{
    uint64_t before = timed ? prim_now() : 0;
    long result = prim_madvise(call->start, length, advice);
    if (timed)
        count(COUNTER_forward_ns, (prim_now() - before) * TIMED_TURNS);
    count_real_call(reason, result == 0 ? pages_of(length) : 0);
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

enum reason reset_judge(uintptr_t start, size_t length, uintptr_t caller, struct call *call)
{
    if (!state_enter())
        return REASON_busy;
    enum reason standing = standing_reason();
    if (standing != REASON_COUNT)
        return standing;
    /* The kernel rounds the length up to pages; what is odd about address or length is its to answer. */
    uintptr_t end = start + ((length + PAGE - 1) & -(size_t)PAGE);
    if (start % PAGE || !length || end <= start || end > USER_END || length > USER_END)
        return REASON_arguments;
    *call = (struct call){.start = start, .end = end, .caller = caller};
    if (process.pkeys && thread_is_kept_out())
        return REASON_pkeys;
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
    uint32_t epoch;            /* of forks, when it began */
    uintptr_t pending;         /* [pending, position) waits for the real call */
    enum reason first_decline; /* of the pieces that wait */
};

static long real_call(struct work *work, uintptr_t start, uintptr_t end)
{
    if (start == end)
        return 0;
    uint64_t before = work->timed ? prim_now() : 0;
    long result = prim_madvise(start, end - start, work->account.advice);
    if (work->timed)
        work->forward_ns += prim_now() - before;
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

static bool is_servable(const struct plan_piece *piece)
{
    return piece->hindrance == REASON_COUNT;
}

static enum decision decide(const struct work *work, const struct plan_piece *piece, uintptr_t start)
{
    if (!is_servable(piece))
        return DECIDE_FORWARD;
    uint64_t keep_pages = process.rules.rule[piece->rule].keep / PAGE, spent = work->account.pages_restored;
    struct policy_input input = {
        .rule = process.rules.rule[piece->rule].policy,
        .blind_possible = piece->image.kind == IMAGE_NONE && process.files.zero >= 0,
        .pages = (piece->end - start) / PAGE,
        .pages_left = keep_pages > spent ? keep_pages - spent : 0,
        .streak = slot_read(start).streak,
    };
    return policy_decide(&input);
}

/* How many pieces from this one on are reset in one go: those after it that are to be scanned too and share
   its rule, as long as few pages are dirty in all. */
static unsigned pieces_together(const struct work *work, unsigned first, uintptr_t start)
{
    const struct plan *plan = work->plan;
    uint64_t kept = slot_read(start).kept;
    unsigned count = 1;
    for (; first + count < plan->count; count++) {
        const struct plan_piece *next = &plan->piece[first + count];
        uintptr_t next_start = plan->piece[first + count - 1].end;
        kept += slot_read(next_start).kept;
        if (next->rule != plan->piece[first].rule || !policy_scans_together(kept) ||
            decide(work, next, next_start) != DECIDE_SCAN)
            break;
    }
    return count;
}

static int scan_pieces(struct work *work, unsigned first, unsigned count, uintptr_t start, uintptr_t *stopped)
{
    struct reset_piece piece[PLAN_PIECES];
    for (unsigned i = 0; i < count; i++) {
        const struct plan_piece *from = &work->plan->piece[first + i];
        piece[i] = (struct reset_piece){from->end, from->image.kind == IMAGE_NONE ? NULL : &from->image,
                                        from->offset};
    }
    struct reset_span span = {
        .start = start,
        .piece = piece,
        .count = count,
        .unconfirmed = work->plan->unconfirmed,
    };
    return reset_scanned(&process.files, &span, &work->account, stopped);
}

/* Resets the pieces [first, first+count), which begin at start. Returns as reset_scanned does. */
static int serve_pieces(struct work *work, unsigned first, unsigned count, uintptr_t start,
                        enum decision decision, uintptr_t *stopped)
{
    const struct plan_piece *piece = &work->plan->piece[first];
    struct reset_account *account = &work->account;
    uintptr_t end = piece[count - 1].end;
    uint64_t before = account->pages_restored;
    account->pages_left = process.rules.rule[piece->rule].keep / PAGE - before;
    int result = decision == DECIDE_BLIND ? reset_blind(&process.files, start, end, account)
                                          : scan_pieces(work, first, count, start, stopped);
    uint64_t restored = account->pages_restored - before, kept = result < 0 ? 0 : restored;
    uint32_t streak = slot_read(start).streak;
    streak = decision == DECIDE_BLIND ? policy_after_blind(streak)
                                      : policy_after_scan(streak, (end - start) / PAGE, restored);
    remember_slot(start, (unsigned)piece->rule, streak, kept);
    for (unsigned i = 1; i < count; i++)
        remember_slot(piece[i - 1].end, (unsigned)piece->rule, 0, 0);
    return result;
}

/* Carries out all pieces in address order. Returns 0, or a negative errno: the caller gives the whole range
   to the real call, which is exact whatever was done so far. */
static long work_through(struct work *work)
{
    uintptr_t position = work->call->start;
    work->pending = position;
    for (unsigned i = 0; i < work->plan->count;) {
        const struct plan_piece *piece = &work->plan->piece[i];
        enum decision decision = decide(work, piece, position);
        unsigned count = decision == DECIDE_SCAN ? pieces_together(work, i, position) : 1;
        if (decision == DECIDE_FORWARD) {
            if (work->first_decline == REASON_COUNT)
                work->first_decline = is_servable(piece) ? REASON_policy : piece->hindrance;
        } else {
            /* What waits goes first: a mapping that refuses the call leaves all behind it untouched. */
            uintptr_t stopped;
            long error = real_call(work, work->pending, position);
            int result = error ? (int)error : serve_pieces(work, i, count, position, decision, &stopped);
            if (result < 0)
                return result;
            work->served |= 1u << piece->rule;
            if (result == 1)
                return real_call(work, stopped, work->call->end);
            work->pending = piece[count - 1].end;
        }
        position = piece[count - 1].end;
        i += count;
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
        count_declined(work->first_decline);
    }
}

/* A descriptor that is no longer ours makes every later call fail too: say so once, and stop asking. */
static void note_failure(long error)
{
    /* ENOTTY and EBADF also come when the host's dup2 was moving the descriptor just then. */
    if ((error == -EBADF || error == -ENOTTY) && state_is_ours() && !pagemap_works(process.files.pagemap))
        state_stand_down(REASON_no_pagemap, "the descriptor of /proc/self/pagemap was closed under us");
    else if (error == -EPERM && state_is_ours())
        state_stand_down(REASON_seccomp, "PAGEMAP_SCAN is denied");
}

static long carry_out(const struct call *call, size_t length, int advice, const struct plan *plan,
                      uint32_t matched, uint32_t epoch, bool timed)
{
    struct work work = {
        .call = call,
        .plan = plan,
        .account = {.advice = advice},
        .timed = timed,
        .epoch = epoch,
        .first_decline = REASON_COUNT,
    };
    if (work.timed) {
        work.account.scan_ns = &work.scan_ns;
        work.account.restore_ns = &work.restore_ns;
    }
    long error = work_through(&work);
    /* A fork in the middle (in a signal handler) leaves this child with its parent's scan. */
    if (!error && (state_fork_epoch() != work.epoch || work.epoch == NO_EPOCH))
        error = -ESTALE;
    if (error) {
        count(COUNTER_real_calls, work.account.real_calls);
        note_failure(error);
        return forward(call, length, advice, REASON_failed, matched, timed);
    }
    count_work(&work, matched);
    if (process.options.mode == MODE_VERIFY && work.served)
        return verify_call(call, plan, advice);
    return 0;
}

static long serve(const struct call *call, size_t length, int advice, bool timed)
{
    struct plan plan;
    uint32_t matched = 0;
    uint32_t epoch = state_fork_epoch();
    enum reason reason = plan_call(call, advice, &plan, &matched);
    return reason == REASON_COUNT ? carry_out(call, length, advice, &plan, matched, epoch, timed)
                                  : forward(call, length, advice, reason, matched, timed);
}

long reset_serve(const struct call *call, size_t length, int advice)
{
    bool timed = counters_timed_turn();
    long result = process.options.mode == MODE_OBSERVE ? observe_call(call, length, advice, timed)
                                                       : serve(call, length, advice, timed);
    statistics_after_call(timed);
    return result;
}
