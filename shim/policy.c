#include "shim/policy.h"

#include "scan/call_path.h"
#include "scan/prim.h"
#include "scan/stores.h"
#include "shim/estimate.h"

enum {
    CHECK_AFTER = 24, /* resets, more than a fault is worth: pages that wander have then piled up */
    WANDERS = 12, /* resets, all of whose pages are new ones: they come back too seldom for their memory */
    WANDERS_AGAIN = 4,   /* ... where they did so in the trial before */
    LOOK_AFTER_MOST = 7, /* log2 of turns: given up for 1 turn at first, then for up to 128, */
    REFUSALS = 4,
    /* Pages that were given back in vain fault again: 40 restores each. After 512 resets that is a few
       percent. */
    AUDIT_AFTER = 3,
    AUDIT_AFTER_MOST = 9,
    GROWTH_SEEN = 16, /* pages: a change of phase, and no noise */
    DEAR_TIMES = 3,   /* in a row: no accident */
    TRY_EVERY = 8,    /* turns: a trial may take thrice the time */
};

/* Behind a window, 128 MiB at least: there the real call's own cost (0.6 us) is won back. */
#define REST_LEAST ((uint64_t)1 << 15)

static void forget_stores(struct slot_history *history)
{
    history->page_ns = 0;
    history->vectors = 0;
}

static __attribute__((cold)) void give_up(struct slot_history *history, enum reason reason)
{
    history->state = SLOT_GIVEN_UP;
    history->reason = (uint8_t)reason;
    history->countdown = (uint16_t)(1u << history->patience);
    if (history->patience < LOOK_AFTER_MOST)
        history->patience++;
    history->interval = 0;
    history->touched = 0;
    history->dear = 0;
    forget_stores(history);
}

__attribute__((cold)) void policy_refused(struct slot_history *history, enum reason reason)
{
    if (history->refusals + 1 < REFUSALS) {
        history->refusals++;
        return;
    }
    history->refusals = 0;
    history->patience = 0; /* that may end at any time */
    give_up(history, reason);
}

void policy_note_length(struct slot_history *history, uint32_t pages)
{
    if (unlikely(history->vectors) && history->pages != pages)
        forget_stores(history);
    history->pages = pages;
}

INLINED enum opening policy_open(struct slot_history *history, bool turn, bool trusting, enum reason *why)
{
    if (likely(history->state == SLOT_SERVE && !turn))
        return OPEN_SERVE;
    switch ((enum slot_state)history->state) {
    case SLOT_NEW:
        if (trusting) {
            history->state = SLOT_CHECK;
            history->countdown = CHECK_AFTER;
            return OPEN_SERVE;
        }
        history->state = SLOT_LOOK;
        *why = REASON_young;
        return OPEN_FORWARD;
    case SLOT_GIVEN_UP:
        if (turn && history->countdown == 0)
            history->state = SLOT_LOOK;
        else if (turn)
            history->countdown--;
        *why = (enum reason)history->reason;
        return OPEN_FORWARD;
    case SLOT_LOOK:
        return OPEN_LOOK;
    case SLOT_CHECK:
        if (history->countdown == 0)
            return OPEN_AUDIT;
        history->countdown--;
        return OPEN_SERVE;
    case SLOT_SERVE:
        break;
    }
    if (history->countdown == 0)
        return OPEN_AUDIT;
    history->countdown--;
    return OPEN_SERVE;
}

static void lengthen_interval(struct slot_history *history, unsigned by)
{
    unsigned interval = history->interval + by;
    history->interval = (uint8_t)(interval < AUDIT_AFTER_MOST ? interval : AUDIT_AFTER_MOST);
}

static void serve_until_audit(struct slot_history *history)
{
    history->state = SLOT_SERVE;
    if (history->interval < AUDIT_AFTER) {
        history->interval = AUDIT_AFTER;
        history->audited = history->kept;
    }
    history->countdown = (uint16_t)(1u << history->interval);
}

/* Is it written whole sooner, by stores that are safe and take so long for a page? */
static bool whole_pays(const struct costs *costs, const struct slot_history *history, uint64_t images,
                       uint64_t page_ns)
{
    struct extent extent = {history->pages, images, history->dirty, page_ns};
    return estimate_whole_pays(costs, &extent, true);
}

/* Is it learned what such a range takes to be written whole? Not under a rule that learns nothing; nor where
   all of it is written anyway, as all of it is kept. */
static inline bool learns_time(const struct slot_history *history)
{
    return history->pages < TABLE_PAGES && history->state != SLOT_NEW && !history->wandered;
}

/* Pages that are left to the real call. */
static uint64_t rest_of(const struct slot_history *history)
{
    uint64_t window = policy_window(history->pages, history->window);
    return history->pages - window + (history->gap_end <= window ? history->gap_end - history->gap_start : 0);
}

/* Do so many faults take longer, or has the real call been seen to be dear? */
static bool scan_pays(const struct slot_history *history, uint64_t used)
{
    uint64_t rest = rest_of(history);
    struct parts parts = {history->pages - rest, rest,
                          (unsigned)(rest != 0) + (history->gap_start < history->gap_end), history->table_ns};
    return history->dear >= DEAR_TIMES || estimate_scan_pays(&parts, used);
}

static __attribute__((cold)) bool close_look(struct slot_history *history, const struct findings *findings)
{
    if (findings->touched == 0 || !scan_pays(history, findings->touched)) {
        give_up(history, REASON_policy);
        return false;
    }
    history->dirty = (uint32_t)findings->restored;
    history->image_dirty = findings->image_written;
    history->touched = findings->touched > findings->restored ? findings->touched : findings->restored;
    if (findings->restored) {
        history->state = SLOT_CHECK;
        history->countdown = CHECK_AFTER;
    } else {
        serve_until_audit(history);
    }
    return true;
}

/* All of a range that is scanned, as to write it whole is dear, has come to be kept: a scan would restore it
   all from now on. */
static __attribute__((cold)) void note_all_kept(const struct costs *costs, struct slot_history *history,
                                                uint64_t images)
{
    if (!history->page_ns || history->kept != history->pages || history->dear ||
        whole_pays(costs, history, images, history->page_ns))
        return;
    forget_stores(history);
    history->wandered = true;
}

/* Has a short range that is scanned written whole again, for memory may be hotter now. It pages in what is
   not resident: 20 us. */
static void try_whole(const struct costs *costs, struct slot_history *history, uint64_t images)
{
    if (history->kept == history->pages || !learns_time(history) ||
        !whole_pays(costs, history, images, costs->store))
        return;
    history->page_ns = (uint8_t)costs->store; /* 152 at the most: costs_measure */
    history->dear = 1;
}

static __attribute__((cold)) bool close_audit(const struct costs *costs, struct slot_history *history,
                                              const struct findings *findings)
{
    uint64_t kept = findings->restored, written = kept - findings->unneeded;
    /* Reads leave no trace in a page that is kept: what a look saw stands for them. */
    uint64_t used = written > history->touched ? written : history->touched;
    bool first = history->state == SLOT_CHECK;
    history->dirty = (uint32_t)written;
    history->image_dirty = findings->image_written;
    bool cheap = estimate_is_short(costs, history->pages, findings->image_pages);
    bool in_vain = used * estimate_fault_worth(costs) < kept && !(used && cheap);
    if (in_vain || (kept && !scan_pays(history, used))) {
        if (!history->touched) {
            history->state = SLOT_LOOK;
            return false;
        }
        give_up(history, REASON_policy);
        history->wandered = in_vain;
        return false;
    }
    if (history->dear)
        history->dear = DEAR_TIMES - 1;
    if (first) {
        history->patience = 0;
        history->wandered = false;
        note_all_kept(costs, history, findings->image_pages);
        serve_until_audit(history);
        return true;
    }
    history->audited = (uint32_t)kept;
    if (history->interval > AUDIT_AFTER)
        try_whole(costs, history, findings->image_pages);
    /* Nothing was written, or much is kept in vain: begin anew with what is touched next. Where the same
       pages come back, that was in vain too: ask ever more seldom. */
    if (kept == 0 || (findings->unneeded * 4 > written && !(written && cheap))) {
        lengthen_interval(history, 2);
        history->state = SLOT_LOOK;
        return false;
    }
    lengthen_interval(history, 1);
    serve_until_audit(history);
    return true;
}

/* Were all pages that so many cycles wrote other ones, as many in each as the look found? */
static bool all_are_new(uint64_t kept, uint64_t kept_before, uint64_t touched, uint64_t cycles)
{
    return kept > kept_before && kept * 4 >= cycles * touched * 3 && kept * 4 <= (cycles + 1) * touched * 5;
}

/* Pages that pile up a few at a time: each cycle writes others. No need to wait for the check then; nor, as
   long as trials are frequent, for so many cycles again. kept_before: pages, by the reset before. */
static __attribute__((cold)) bool close_trial(const struct costs *costs, struct slot_history *history,
                                              const struct findings *findings, uint64_t kept_before)
{
    uint64_t kept = findings->restored, touched = history->touched, cycles = CHECK_AFTER - history->countdown;
    if (!touched || kept > kept_before + 2 * touched)
        return true;
    bool again = history->wandered && history->patience < LOOK_AFTER_MOST;
    if (cycles >= (again ? WANDERS_AGAIN : WANDERS) && all_are_new(kept, kept_before, touched, cycles) &&
        !estimate_is_short(costs, history->pages, findings->image_pages)) {
        give_up(history, REASON_policy);
        history->wandered = true;
        return false;
    }
    if (kept > touched * estimate_fault_worth(costs))
        history->countdown = 0;
    return true;
}

static bool close_serve(const struct costs *costs, struct slot_history *history,
                        const struct findings *findings, uint64_t kept_before)
{
    if (unlikely(history->state == SLOT_CHECK))
        return close_trial(costs, history, findings, kept_before);
    if (unlikely(history->kept != kept_before))
        note_all_kept(costs, history, findings->image_pages);
    if (unlikely(findings->restored > 2 * (uint64_t)history->audited + GROWTH_SEEN)) {
        history->interval = 0;
        serve_until_audit(history);
    }
    return true;
}

INLINED bool policy_close(const struct costs *costs, struct slot_history *history, enum opening opening,
                          const struct findings *findings)
{
    bool stays = true;
    uint32_t kept_before = history->kept;
    /* Stored only where they differ: the caller compares whole words, and a load over a younger and narrower
       store waits for it (5 ns). */
    if (unlikely(history->refusals))
        history->refusals = 0;
    if (unlikely(history->kept != findings->restored))
        history->kept = (uint32_t)findings->restored;
    if (likely(opening == OPEN_SERVE))
        stays = close_serve(costs, history, findings, kept_before);
    else
        stays = opening == OPEN_LOOK ? close_look(history, findings) : close_audit(costs, history, findings);
    if (unlikely(!stays))
        history->kept = 0;
    return stays;
}

INLINED enum decision policy_decide(const struct costs *costs, const struct policy_input *input)
{
    if (unlikely(input->rule == POLICY_FORWARD || input->pages_left == 0))
        return DECIDE_FORWARD;
    bool all = input->pages == input->call_pages, apart = all || !policy_scans_together(input->expected);
    bool whole_fits = input->pages <= input->pages_left, whole = input->blind_possible && whole_fits;
    uint64_t pages = apart ? input->pages : input->call_pages,
             dirty = apart ? input->piece_dirty : input->dirty;
    /* A scan also finds what is only kept: of a piece of the call that is known where all of the call is. */
    uint64_t resident = input->resident == input->call_pages ? pages : all ? input->resident : 0;
    if (dirty < resident)
        dirty = resident;
    uint64_t images = !apart ? input->image_pages : input->image ? pages : 0;
    struct extent extent = {pages, images, dirty, input->page_ns};
    bool pays = (apart || input->all_possible) && estimate_whole_pays(costs, &extent, input->stores_safe);
    bool blind = input->rule == POLICY_RESTORE ||
                 (input->rule == POLICY_AUTO && input->known && !input->learning && pays);
    if (whole && blind)
        return DECIDE_BLIND;
    bool complement = estimate_complement_pays(costs, input->call_pages, input->expected, input->promised),
         possible = whole_fits && apart && !input->unconfirmed && !input->learning;
    return possible && complement ? DECIDE_SCAN_COMPLEMENT : DECIDE_SCAN;
}

/* A scan costs 0.2 to 0.9 us before it looks at a page; to ask whether a present page is a file's costs 20
   ns, and 40 where its struct page is cold. */
bool policy_scans_together(uint64_t dirty_pages)
{
    return dirty_pages <= 32;
}

/* 1 MiB of L2 and 32 of L3: both ways take the same for one range of 10 MiB, or two of 5 (Zen 4). What was
   streamed is not in the caches when the program writes it next: 8 MiB, 9 % of a whole cycle. Pages that lie
   apart fill the caches sooner: 1,638 or 2,048 of them take a third of the time past the caches, 512 as long
   as in them, and 1,024 in one run twice as long. The string instruction fetches nothing in a long run: 16
   MiB of one take 30 to 45 % longer when streamed, 32 MiB and more 3 to 5 % less (Zen 5). */
uint64_t policy_streams(uint64_t pages)
{
    enum { ALL = 6144, MANY = 2560, SHORT = 16, MANY_APART = MANY / 2, APART = 3 };
    return pages >= ALL ? UINT64_MAX : pages >= MANY ? SHORT : pages >= MANY_APART ? APART : 0;
}

uint64_t policy_window(uint64_t pages, uint32_t window)
{
    return window && pages - window >= REST_LEAST && window < pages ? window : pages;
}

void policy_note_found(struct slot_history *history, uint32_t end, uint32_t gap_start, uint32_t gap_end)
{
    bool dear = history->dear >= DEAR_TIMES, gap = !dear && gap_end - gap_start >= REST_LEAST;
    history->window = dear ? 0 : end;
    history->gap_start = gap ? gap_start : 0;
    history->gap_end = gap ? gap_end : 0;
}

void policy_time_scan(struct slot_history *history, uint64_t pages, uint64_t found, uint64_t ns)
{
    history->table_ns = estimate_table(pages, found, ns);
}

void policy_time_rest(struct slot_history *history, uint64_t pages_forwarded, uint64_t ns)
{
    if (!pages_forwarded || pages_forwarded != rest_of(history))
        return;
    if (ns <= estimate_passing(rest_of(history), history->table_ns))
        history->dear = 0;
    else if (++history->dear >= DEAR_TIMES)
        policy_note_found(history, 0, 0, 0);
}

INLINED bool policy_wants_time(const struct slot_history *history)
{
    bool unknown = history->page_ns == 0 || history->dear != 0;
    return unlikely(unknown) && history->kept == history->pages && learns_time(history);
}

bool policy_tries_other(const struct slot_history *history, bool turn)
{
    return turn && learns_time(history) && history->page_ns && history->countdown % TRY_EVERY == 1 &&
           history->pages > ZEROES_SHORT / PAGE;
}

/* All of a range was written in the way that it mostly is not. Vectors must be much quicker: some of what
   they take is paid for after the call (8 pages of 8 ranges that lie apart: 0.88 of what strings take by the
   clock, and 1.17 in whole cycles; Zen 5). */
static void compare_stores(struct slot_history *history, uint64_t page_ns)
{
    uint64_t vectors = history->vectors ? history->page_ns : page_ns;
    uint64_t strings = history->vectors ? page_ns : history->page_ns;
    bool pays = history->vectors ? 5 * vectors <= 4 * strings : 4 * vectors <= 3 * strings;
    if (pays == history->vectors)
        return;
    history->vectors = pays;
    history->page_ns = (uint8_t)page_ns;
}

bool policy_time_whole(const struct costs *costs, struct slot_history *history, uint64_t image_pages,
                       uint64_t ns, bool tried_other)
{
    uint64_t each = ns / history->pages + 1;
    if (!learns_time(history))
        return true;
    if (each > UINT8_MAX)
        each = UINT8_MAX;
    /* It is worth to begin anew only where a scan is clearly better. */
    uint64_t less = each - each / 8;
    if (tried_other) {
        compare_stores(history, less);
        return true;
    }
    bool pays = whole_pays(costs, history, image_pages, history->dear ? each : less);
    if (!pays && ++history->dear < DEAR_TIMES)
        return true;
    history->page_ns = (uint8_t)(pays ? less : each);
    history->dear = 0;
    if (pays)
        return true;
    if (history->vectors) {
        forget_stores(history); /* by strings it may be less */
        return true;
    }
    history->state = SLOT_LOOK;
    history->kept = 0;
    return false;
}
