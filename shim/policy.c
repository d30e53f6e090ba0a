#include "shim/policy.h"

enum {
    /* Up to so many pages, most of them dirty, a scan costs more than it saves (6.18): 1.5 us against 1.1 us for
       64 KiB of /dev/zero, or against stores of 36 ns a page. */
    BLIND_PAGES = 16,
    BLIND_PAGES_STORED = 128,
    STREAK_TO_TRUST = 4, /* scans that found a range mostly dirty, before it is restored without one */
    FAULTS_WORTH = 19,   /* a restore costs this much less than a fault */
    CHECK_AFTER = 24,    /* resets, more than FAULTS_WORTH: pages that wander have then piled up */
    LOOK_AFTER_MOST = 8, /* log2 of turns: given up for 1 turn at first, then for up to 256, */
    REFUSALS = 4,
    REFUSED_MOST = 1,    /* or 2 where the kernel or the rules refuse: that may end at any time */
    AUDIT_AFTER = 1,
    AUDIT_AFTER_MOST = 8,
    GROWTH_SEEN = 16, /* pages: a change of phase, and no noise */
};

/* Behind a window, 128 MiB at least: there the real call's own cost (0.6 us) is won back. */
#define REST_LEAST ((uint64_t)1 << 15)

static void give_up(struct slot_history *history, enum reason reason)
{
    history->state = SLOT_GIVEN_UP;
    history->reason = (uint8_t)reason;
    history->countdown = (uint16_t)(1u << history->patience);
    if (history->patience < LOOK_AFTER_MOST)
        history->patience++;
    history->interval = 0;
    history->streak = 0;
}

void policy_refused(struct slot_history *history, enum reason reason)
{
    if (++history->refusals < REFUSALS)
        return;
    history->refusals = 0;
    if (history->patience > REFUSED_MOST)
        history->patience = REFUSED_MOST;
    give_up(history, reason);
}

enum opening policy_open(struct slot_history *history, bool turn, bool trusting, enum reason *why)
{
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
    if (turn && history->countdown == 0)
        return OPEN_AUDIT;
    if (turn)
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

static void note_density(struct slot_history *history, uint64_t written)
{
    if (written * 4 < (uint64_t)history->pages * 3)
        history->streak = 0;
    else if (history->streak < STREAK_TO_TRUST)
        history->streak++;
}

static bool close_look(struct slot_history *history, const struct findings *findings)
{
    if (findings->touched == 0) {
        give_up(history, REASON_policy);
        return false;
    }
    if (findings->restored) {
        history->state = SLOT_CHECK;
        history->countdown = CHECK_AFTER;
    } else {
        serve_until_audit(history);
    }
    return true;
}

static bool close_audit(struct slot_history *history, const struct findings *findings)
{
    uint64_t kept = findings->restored, written = kept - findings->unneeded;
    bool first = history->state == SLOT_CHECK;
    note_density(history, written);
    if (written * FAULTS_WORTH < kept) {
        give_up(history, REASON_policy);
        return false;
    }
    if (first) {
        history->patience = 0;
        serve_until_audit(history);
        return true;
    }
    history->audited = (uint32_t)kept;
    /* Nothing was written, or much is kept in vain: begin anew with what is touched next. Where the same pages
       come back, that was in vain too: ask ever more seldom. */
    if (kept == 0 || findings->unneeded * 4 > written) {
        lengthen_interval(history, 2);
        history->state = SLOT_LOOK;
        return false;
    }
    lengthen_interval(history, 1);
    serve_until_audit(history);
    return true;
}

static void close_serve(struct slot_history *history, const struct findings *findings)
{
    note_density(history, findings->restored);
    if (history->state != SLOT_SERVE || findings->restored <= 2 * (uint64_t)history->audited + GROWTH_SEEN)
        return;
    history->interval = 0;
    serve_until_audit(history);
}

bool policy_close(struct slot_history *history, enum opening opening, const struct findings *findings)
{
    bool stays = true;
    history->refusals = 0;
    history->kept = (uint32_t)findings->restored;
    if (opening == OPEN_LOOK)
        stays = close_look(history, findings);
    else if (opening == OPEN_AUDIT)
        stays = close_audit(history, findings);
    else
        close_serve(history, findings);
    if (!stays)
        history->kept = 0;
    return stays;
}

enum decision policy_decide(const struct policy_input *input)
{
    if (input->rule == POLICY_FORWARD || input->pages_left == 0)
        return DECIDE_FORWARD;
    bool whole = input->blind_possible && input->pages <= input->pages_left;
    uint64_t few = input->stores_safe ? BLIND_PAGES_STORED : BLIND_PAGES;
    bool dense = input->pages <= few && input->streak >= STREAK_TO_TRUST && !input->learning;
    if (whole && (input->rule == POLICY_RESTORE || (input->rule == POLICY_AUTO && dense)))
        return DECIDE_BLIND;
    return DECIDE_SCAN;
}

/* A scan costs 0.2 to 0.9 us before it looks at a page; to ask whether a present page is a file's costs 5 ns
   hot, and 40 cold. */
bool policy_scans_together(uint64_t dirty_pages)
{
    return dirty_pages <= 64;
}

uint64_t policy_window(uint64_t pages, uint32_t window)
{
    return window && pages - window >= REST_LEAST && window < pages ? window : pages;
}
