#include "shim/carry_out.h"

#include "scan/pagemap.h"
#include "scan/prim.h"
#include "shim/policy.h"
#include "shim/state.h"

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

static bool is_servable(const struct plan_piece *piece)
{
    return piece->hindrance == REASON_COUNT;
}

static uint64_t pages_left(const struct work *work, const struct plan_piece *piece)
{
    uint64_t most = process.rules.rule[piece->rule].keep / PAGE, spent = work->account.pages_restored;
    most = most < work->pages_most ? most : work->pages_most;
    return most > spent ? most - spent : 0;
}

static struct reset_piece reset_piece_of(const struct plan_piece *piece)
{
    return (struct reset_piece){piece->end, piece->image.kind == IMAGE_NONE ? NULL : &piece->image,
                                piece->offset};
}

/* By the promise that mappings change only where we see it. Guard pages lie within a mapping. */
static bool stores_are_safe(const struct plan *plan)
{
    return plan->promised && !plan->unconfirmed && !__atomic_load_n(&process.guards, __ATOMIC_RELAXED);
}

static enum decision decide(const struct work *work, const struct plan_piece *piece, uintptr_t start)
{
    if (!is_servable(piece))
        return DECIDE_FORWARD;
    bool safe = work->stores_safe;
    struct policy_input input = {
        .rule = process.rules.rule[piece->rule].policy,
        .blind_possible = safe ? piece->image.kind == IMAGE_NONE || piece->image.kind == IMAGE_SEALED
                               : piece->image.kind == IMAGE_NONE && process.files.zero >= 0,
        .stores_safe = safe,
        .learning = work->learning,
        .pages = (piece->end - start) / PAGE,
        .pages_left = pages_left(work, piece),
        .call_pages = (work->plan->piece[work->plan->count - 1].end - work->call->start) / PAGE,
        .dirty = work->dirty,
    };
    return policy_decide(&input);
}

static bool rules_reset_alike(int first, int second)
{
    const struct rule *a = &process.rules.rule[first], *b = &process.rules.rule[second];
    return a->keep == b->keep && a->policy == b->policy;
}

/* How many pieces from this one on are reset in one go: those after it that are to be scanned too, by the
   same options, as long as few pages are dirty in all. */
static unsigned pieces_together(const struct work *work, unsigned first)
{
    const struct plan *plan = work->plan;
    unsigned count = 1;
    if (!policy_scans_together(work->expected))
        return 1;
    for (; first + count < plan->count; count++) {
        const struct plan_piece *next = &plan->piece[first + count];
        if (!is_servable(next) || !rules_reset_alike(plan->piece[first].rule, next->rule) ||
            decide(work, next, plan->piece[first + count - 1].end) != DECIDE_SCAN)
            break;
    }
    return count;
}

static int scan_pieces(struct work *work, unsigned first, unsigned count, uintptr_t start, uintptr_t *stopped)
{
    struct reset_piece piece[PLAN_PIECES];
    for (unsigned i = 0; i < count; i++)
        piece[i] = reset_piece_of(&work->plan->piece[first + i]);
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
    account->pages_left = pages_left(work, piece);
    if (decision == DECIDE_BLIND) {
        struct reset_piece whole = reset_piece_of(piece);
        return reset_blind(&process.files, start, &whole, work->stores_safe, account);
    }
    return scan_pieces(work, first, count, start, stopped);
}

static enum reason why_forwarded(const struct work *work, const struct plan_piece *piece)
{
    if (!is_servable(piece))
        return piece->hindrance;
    return work->pages_most ? REASON_policy : REASON_budget;
}

long carry_out(struct work *work)
{
    uintptr_t position = work->call->start;
    work->pending = position;
    work->stores_safe = stores_are_safe(work->plan);
    work->first_decline = REASON_COUNT;
    work->account.scan_ns = work->timed ? &work->scan_ns : NULL;
    work->account.restore_ns = work->timed ? &work->restore_ns : NULL;
    for (unsigned i = 0; i < work->plan->count;) {
        const struct plan_piece *piece = &work->plan->piece[i];
        enum decision decision = decide(work, piece, position);
        unsigned count = decision == DECIDE_SCAN ? pieces_together(work, i) : 1;
        if (decision == DECIDE_FORWARD) {
            if (work->first_decline == REASON_COUNT)
                work->first_decline = why_forwarded(work, piece);
        } else {
            /* What waits goes first: a mapping that refuses the call leaves all behind it untouched. */
            uintptr_t stopped;
            long error = real_call(work, work->pending, position);
            int result = error ? (int)error : serve_pieces(work, i, count, position, decision, &stopped);
            if (result < 0)
                return result;
            if (!work->served)
                work->rule = (uint8_t)piece->rule;
            for (unsigned served = 0; served < count; served++)
                work->served |= 1u << piece[served].rule;
            if (result == 1)
                return real_call(work, stopped, work->call->end);
            work->pending = piece[count - 1].end;
        }
        position = piece[count - 1].end;
        i += count;
    }
    return real_call(work, work->pending, work->call->end);
}
