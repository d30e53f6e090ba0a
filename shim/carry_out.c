#include "shim/carry_out.h"

#include "scan/call_path.h"
#include "scan/pagemap.h"
#include "scan/prim.h"
#include "scan/vma.h"
#include "shim/policy.h"
#include "shim/state.h"

static inline long real_call(struct work *work, uintptr_t start, uintptr_t end)
{
    if (likely(start == end))
        return 0;
    struct reset_times *times = work->account.times;
    uint64_t before = times ? prim_now() : 0;
    long result = prim_madvise(start, end - start, work->account.advice);
    if (times)
        times->forward_ns += prim_now() - before;
    work->account.real_calls++;
    work->account.pages_forwarded += (end - start) / PAGE;
    return result;
}

static bool is_servable(const struct work *work, unsigned i)
{
    return work->plan->answer[i].hindrance == REASON_COUNT;
}

/* The rule that serves a piece. */
static const struct rule *rule_of(const struct work *work, unsigned i)
{
    return &process.rules.rule[work->plan->answer[i].rule];
}

static uint64_t pages_left(const struct work *work, unsigned i)
{
    uint64_t most = rule_of(work, i)->keep / PAGE, spent = work->account.pages_restored;
    most = most < work->pages_most ? most : work->pages_most;
    return most > spent ? most - spent : 0;
}

/* By the promise that mappings change only where we see it. Guard pages lie within a mapping. */
static bool stores_are_safe(const struct plan *plan)
{
    return likely(plan->promised && !plan->unconfirmed) && !state_has_guards();
}

/* Can piece i, which begins at start, be written whole without asking what is dirty? */
static bool can_be_blind(const struct work *work, unsigned i, uintptr_t start)
{
    const struct piece *piece = &work->plan->piece[i];
    if (piece_is_anonymous(piece))
        return work->stores_safe || process.files.zero >= 0;
    return work->stores_safe && piece_is_plain(piece, start);
}

/* How piece i, which begins at start, is reset. */
ALWAYS_INLINE enum decision decide(const struct work *work, unsigned i, uintptr_t start)
{
    const struct piece *piece = &work->plan->piece[i];
    if (unlikely(!is_servable(work, i)))
        return DECIDE_FORWARD;
    bool image = !piece_is_anonymous(piece);
    struct policy_input input = {
        .rule = rule_of(work, i)->policy,
        .blind_possible = can_be_blind(work, i, start),
        .all_possible = work->all_possible,
        .stores_safe = work->stores_safe,
        .image = image,
        .unconfirmed = work->plan->unconfirmed,
        .promised = work->plan->promised,
        .learning = work->learning,
        .pages = (piece->end - start) / PAGE,
        .pages_left = pages_left(work, i),
        .call_pages = (work->plan->piece[work->plan->count - 1].end - work->call->start) / PAGE,
        .image_pages = work->image_pages,
        .expected = work->expected,
        .dirty = work->dirty,
        .piece_dirty = image ? work->image_dirty : work->dirty - work->image_dirty,
        .known = work->known && work->plan->count <= 2,
        .resident = work->resident,
        .page_ns = work->page_ns,
    };
    return policy_decide(&process.costs, &input);
}

static bool rules_reset_alike(const struct rule *a, const struct rule *b)
{
    return a->keep == b->keep && a->policy == b->policy;
}

/* How many pieces from this one on are reset in one go: those after it that are to be scanned too, by the
   same options, as long as few pages are dirty in all. */
static __attribute__((noinline)) unsigned pieces_together(const struct work *work, unsigned first)
{
    const struct plan *plan = work->plan;
    unsigned next = first + 1;
    if (!policy_scans_together(work->expected))
        return 1;
    while (next < plan->count && is_servable(work, next) &&
           rules_reset_alike(rule_of(work, first), rule_of(work, next)) &&
           decide(work, next, plan->piece[next - 1].end) == DECIDE_SCAN)
        next++;
    return next - first;
}

/* About how many pages the scan will report. */
static uint32_t expected_regions(const struct work *work, uintptr_t start, uintptr_t end, bool complement)
{
    uint64_t pages = (end - start) / PAGE;
    if (!complement)
        return work->expected;
    return pages > work->expected ? (uint32_t)(pages - work->expected) : 1;
}

/* Resets the pieces [first, first+count), which begin at start. Returns as reset_scanned does. */
static int serve_pieces(struct work *work, unsigned first, unsigned count, uintptr_t start,
                        enum decision decision, uintptr_t *stopped)
{
    const struct piece *piece = &work->plan->piece[first];
    struct reset_account *account = &work->account;
    uint64_t streams = policy_streams(work->expected), pages = (piece->end - start) / PAGE;
    account->pages_left = pages_left(work, first);
    if (decision == DECIDE_BLIND)
        return reset_blind(&process.files, start, piece, work->stores_safe, pages <= streams, account);
    /* What is not mapped is in no complement, and would be written to. */
    bool complement = decision == DECIDE_SCAN_COMPLEMENT &&
                      (!work->plan->promised || vma_check_unlocked(start, piece->end - start) == 0);
    struct reset_span span = {
        .start = start,
        .piece = piece,
        .count = count,
        .expected = expected_regions(work, start, piece->end, complement),
        .mostly_dirty = complement,
        .streams = streams,
        .unconfirmed = work->plan->unconfirmed,
    };
    return reset_scanned(&process.files, &span, account, stopped);
}

static enum reason why_forwarded(const struct work *work, unsigned i)
{
    if (!is_servable(work, i))
        return (enum reason)work->plan->answer[i].hindrance;
    return work->pages_most ? REASON_policy : REASON_budget;
}

static uint64_t needed(const struct reset_account *account)
{
    return account->pages_restored - account->pages_unneeded;
}

/* What is to be known of all pieces before the first is decided on. */
static void look_at_pieces(struct work *work)
{
    const struct plan *plan = work->plan;
    uintptr_t start = work->call->start, bytes = 0;
    work->all_possible = true;
    for (unsigned i = 0; i < plan->count; start = plan->piece[i++].end) {
        work->all_possible &= can_be_blind(work, i, start);
        if (!piece_is_anonymous(&plan->piece[i]))
            bytes += plan->piece[i].end - start;
    }
    work->image_pages = bytes / PAGE;
}

long carry_out(struct work *work)
{
    uintptr_t position = work->call->start;
    work->pending = position;
    work->stores_safe = stores_are_safe(work->plan);
    work->first_decline = REASON_COUNT;
    work->served = 0;
    work->image_written = 0;
    look_at_pieces(work);
    for (unsigned i = 0; i < work->plan->count;) {
        enum decision decision = decide(work, i, position);
        unsigned count =
            unlikely(work->plan->count > 1) && decision == DECIDE_SCAN ? pieces_together(work, i) : 1;
        if (unlikely(decision == DECIDE_FORWARD)) {
            if (work->first_decline == REASON_COUNT)
                work->first_decline = why_forwarded(work, i);
        } else {
            /* What waits goes first: a mapping that refuses the call leaves all behind it untouched. */
            uintptr_t stopped;
            long error = real_call(work, work->pending, position);
            uint64_t before = needed(&work->account);
            int result = error ? (int)error : serve_pieces(work, i, count, position, decision, &stopped);
            if (unlikely(result < 0))
                return result;
            if (unlikely(!piece_is_anonymous(&work->plan->piece[i])) && count == 1)
                work->image_written += (uint32_t)(needed(&work->account) - before);
            if (!work->served)
                work->rule = (uint8_t)work->plan->answer[i].rule;
            for (unsigned served = i; served < i + count; served++)
                work->served |= 1u << work->plan->answer[served].rule;
            if (unlikely(result == 1))
                return real_call(work, stopped, work->call->end);
            work->pending = work->plan->piece[i + count - 1].end;
        }
        i += count;
        position = work->plan->piece[i - 1].end;
    }
    return real_call(work, work->pending, work->call->end);
}
