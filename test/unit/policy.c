#include "shim/policy.h"

#include <string.h>

#include "test/unit/unit.h"

static enum decision decide(enum rule_policy rule, bool blind, uint64_t pages, uint64_t left, uint32_t dirty)
{
    struct policy_input input = {.rule = rule,
                                 .blind_possible = blind,
                                 .pages = pages,
                                 .call_pages = pages,
                                 .pages_left = left,
                                 .dirty = dirty,
                                 .piece_dirty = dirty,
                                 .known = true};
    return policy_decide(&costs_typical, &input);
}

Test(policy, what_a_rule_says)
{
    cr_assert_eq(decide(POLICY_FORWARD, true, 1, 1000, 0), DECIDE_FORWARD);
    cr_assert_eq(decide(POLICY_SCAN, true, 16, 1000, 16), DECIDE_SCAN);
    cr_assert_eq(decide(POLICY_RESTORE, true, 1000, 1000, 0), DECIDE_BLIND);
    cr_assert_eq(decide(POLICY_RESTORE, false, 1000, 1000, 0), DECIDE_SCAN);
    cr_assert_eq(decide(POLICY_RESTORE, true, 1001, 1000, 0), DECIDE_SCAN);
    cr_assert_eq(decide(POLICY_AUTO, false, 1, 1000, 0), DECIDE_SCAN);
}

Test(policy, nothing_beyond_the_threshold)
{
    for (int rule = POLICY_AUTO; rule <= POLICY_FORWARD; rule++)
        for (uint32_t dirty = 0; dirty < 50; dirty++) {
            cr_assert_eq(decide((enum rule_policy)rule, true, 4, 0, dirty), DECIDE_FORWARD);
            /* Blind only when all of it fits. */
            cr_assert_neq(decide((enum rule_policy)rule, true, 4, 3, dirty), DECIDE_BLIND);
        }
}

Test(policy, blind_where_it_is_cheaper)
{
    cr_assert_eq(decide(POLICY_AUTO, true, 16, 1000, 16), DECIDE_BLIND);
    cr_assert_eq(decide(POLICY_AUTO, true, 4, 1000, 1), DECIDE_BLIND);
    cr_assert_eq(decide(POLICY_AUTO, true, 4, 1000, 0), DECIDE_BLIND);
    cr_assert_eq(decide(POLICY_AUTO, false, 16, 1000, 16), DECIDE_SCAN);
    cr_assert_eq(decide(POLICY_AUTO, true, 64, 1000, 2), DECIDE_SCAN);
    struct policy_input input = {.blind_possible = true,
                                 .pages = 256,
                                 .call_pages = 256,
                                 .pages_left = 999,
                                 .dirty = 250,
                                 .piece_dirty = 250,
                                 .known = true};
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.stores_safe = true;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    input.learning = true;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.learning = false;
    input.pages = input.call_pages = 4;
    input.dirty = input.piece_dirty = 0;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    input.known = false;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
}

Test(policy, a_scan_would_restore_what_is_kept_too)
{
    struct policy_input input = {
        .blind_possible = true,
        .stores_safe = true,
        .known = true,
        .pages = 256,
        .call_pages = 256,
        .pages_left = 999,
        .dirty = 16,
        .piece_dirty = 16,
        .expected = 250,
        .resident = 250,
    };
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    input.resident = 128;
    cr_assert_neq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    /* Of several pieces it is not known which are, unless all are. */
    input.resident = 250;
    input.pages = 200;
    cr_assert_neq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    input.resident = 256;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
}

Test(policy, what_the_caches_do_not_hold_goes_past_them)
{
    cr_assert_eq(policy_streams(512), 0);
    cr_assert_eq(policy_streams(1024), 0);
    /* In pages that lie apart, sooner than in a run. */
    cr_assert(policy_streams(1638) >= 1 && policy_streams(1638) < 16);
    cr_assert_eq(policy_streams(4096), UINT64_MAX);
}

Test(policy, an_image_is_copied_rather_than_asked_about)
{
    struct policy_input input = {
        .blind_possible = true,
        .stores_safe = true,
        .known = true,
        .pages = 128,
        .call_pages = 256,
        .pages_left = 999,
        .expected = 205,
        .dirty = 170,
        .piece_dirty = 85,
    };
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN_COMPLEMENT);
    input.image = true;
    input.piece_dirty = 100;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    input.piece_dirty = 70;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN_COMPLEMENT);
}

/* Where a scan is cheap and stores are dear, fewer clean pages are written over. */
Test(policy, what_the_machine_takes_decides)
{
    const struct costs old_host = {.scan = 200, .store = 73};
    const struct costs slow_memory = {.scan = 700, .store = 152};
    struct policy_input input = {.blind_possible = true,
                                 .stores_safe = true,
                                 .known = true,
                                 .pages = 16,
                                 .call_pages = 16,
                                 .pages_left = 999,
                                 .dirty = 1,
                                 .piece_dirty = 1};
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    cr_assert_eq(policy_decide(&old_host, &input), DECIDE_SCAN);
    cr_assert_eq(policy_decide(&slow_memory, &input), DECIDE_SCAN);
    input.dirty = input.piece_dirty = 14;
    cr_assert_eq(policy_decide(&old_host, &input), DECIDE_BLIND);
    /* And fewer restores make up for a fault. */
    struct findings findings = {.restored = 10 * 30, .unneeded = 9 * 30, .touched = 30};
    struct slot_history served = {.pages = 1024, .state = SLOT_SERVE, .touched = 30}, given_up = served;
    policy_close(&costs_typical, &served, OPEN_AUDIT, &findings);
    cr_assert_eq(served.state, SLOT_LOOK);
    policy_close(&old_host, &given_up, OPEN_AUDIT, &findings);
    cr_assert_eq(given_up.state, SLOT_GIVEN_UP);
}

/* Few pages are dirty in all, so that one scan finds them: written whole is then either all of the call or
   none of it, for a scan of one piece takes as long as of both. */
Test(policy, a_call_of_few_dirty_pages_is_not_torn)
{
    struct policy_input input = {.blind_possible = true,
                                 .stores_safe = true,
                                 .known = true,
                                 .pages = 16,
                                 .call_pages = 20,
                                 .image_pages = 4,
                                 .pages_left = 999,
                                 .expected = 8,
                                 .dirty = 8,
                                 .piece_dirty = 6};
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.all_possible = true;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    input.image = true;
    input.pages = 4;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    /* To copy takes longer. */
    input.pages = input.call_pages = 26;
    input.image = false;
    input.image_pages = 0;
    input.dirty = input.piece_dirty = 1;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    input.pages = 24;
    input.image_pages = 12;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
}

Test(policy, the_fewer_pages_are_reported)
{
    struct policy_input input = {.pages = 100, .call_pages = 100, .pages_left = 100, .expected = 50};
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.expected = 51;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN_COMPLEMENT);
    input.learning = true;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN_COMPLEMENT);
    /* It bounds nothing, and believes that all of it is mapped. */
    input.pages_left = 99;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.pages_left = 100;
    input.unconfirmed = true;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.unconfirmed = false;
    /* What is only promised must be asked for first. */
    input.promised = true;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.expected = 80;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN_COMPLEMENT);
    input.promised = false;
    /* Few pages in more than one piece are found by a single scan. */
    input.pages = input.call_pages = 50;
    input.pages = 20;
    input.expected = 32;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.expected = 90;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN_COMPLEMENT);
}

Test(policy, a_window_leaves_only_a_long_rest)
{
    cr_assert_eq(policy_window(1000, 1), 1000);
    cr_assert_eq(policy_window(1 << 20, 0), 1 << 20);
    cr_assert_eq(policy_window(1 << 20, 2), 2);
    cr_assert_eq(policy_window(1 << 20, (1 << 20) - 100), 1 << 20);
    cr_assert_eq(policy_window(1000, 4000), 1000);
}

/* ---- a range, its program, and what the policy makes of them ---- */

enum { PAGES = 1024 };

struct simulation {
    struct slot_history history;
    uint8_t present[PAGES]; /* 1: kept; 2: written in this cycle */
    uint64_t faults, restores, forwarded, cycles;
};

static void reset_range(struct simulation *s)
{
    struct findings findings = {0};
    enum reason why;
    for (int i = 0; i < PAGES; i++) {
        findings.touched += s->present[i] > 0;
        findings.restored += s->present[i] > 0;
        findings.unneeded += s->present[i] == 1;
    }
    s->history.pages = PAGES;
    /* Every 32nd, as the process counts them. */
    enum opening opening = policy_open(&s->history, s->cycles++ % 32 == 0, false, &why);
    bool stays = opening != OPEN_FORWARD && policy_close(&costs_typical, &s->history, opening, &findings);
    s->restores += opening != OPEN_FORWARD ? findings.restored : 0;
    s->forwarded += !stays;
    if (!stays)
        cr_assert(opening == OPEN_FORWARD || s->history.kept == 0);
    for (int i = 0; i < PAGES; i++)
        s->present[i] = stays && s->present[i];
}

static void touch(struct simulation *s, unsigned page)
{
    s->faults += s->present[page % PAGES] == 0;
    s->present[page % PAGES] = 2;
}

static unsigned resident(const struct simulation *s)
{
    unsigned pages = 0;
    for (int i = 0; i < PAGES; i++)
        pages += s->present[i] > 0;
    return pages;
}

static void forget_costs(struct simulation *s)
{
    s->faults = s->restores = s->forwarded = 0;
}

Test(policy, memory_that_is_purged_once_is_not_kept)
{
    struct simulation s = {0};
    touch(&s, 1);
    reset_range(&s);
    cr_assert_eq(resident(&s), 0);
}

Test(policy, as_long_as_little_is_kept_the_first_reset_is_served)
{
    struct slot_history history = {0};
    enum reason why;
    cr_assert_eq(policy_open(&history, false, true, &why), OPEN_SERVE);
    struct findings findings = {.restored = 500};
    cr_assert(policy_close(&costs_typical, &history, OPEN_SERVE, &findings));
    /* And found out before long when nothing of it is written again. */
    int served = 0;
    findings.unneeded = 500;
    while (served < 100) {
        enum opening opening = policy_open(&history, false, true, &why);
        served++;
        if (!policy_close(&costs_typical, &history, opening, &findings))
            break;
    }
    cr_assert(served < 30, "%d", served);
    cr_assert_eq(policy_open(&history, false, true, &why), OPEN_LOOK);
    cr_assert(!policy_close(&costs_typical, &history, OPEN_LOOK, &(struct findings){0}));
    cr_assert_eq(policy_open(&history, false, true, &why), OPEN_FORWARD);
}

Test(policy, a_stable_range_is_served_from_its_second_reset_on)
{
    struct simulation s = {0};
    for (int cycle = 0; cycle < 10000; cycle++) {
        for (unsigned i = 0; i < 20; i++)
            touch(&s, i * 7);
        reset_range(&s);
        if (cycle == 1)
            forget_costs(&s);
    }
    cr_assert_eq(s.faults, 0);
    cr_assert_eq(s.forwarded, 0);
}

Test(policy, a_range_that_nobody_touches_costs_nearly_nothing)
{
    struct simulation s = {0};
    for (int cycle = 0; cycle < 10000; cycle++)
        reset_range(&s);
    cr_assert(s.forwarded == 10000);
    enum reason why;
    int looks = 0;
    for (int i = 0; i < 8192; i++)
        if (policy_open(&s.history, i % 32 == 0, false, &why) != OPEN_FORWARD)
            looks += !policy_close(&costs_typical, &s.history, OPEN_LOOK, &(struct findings){0});
    cr_assert(looks <= 4, "%d", looks);
}

/* Purged at every reset, and written to only at first. */
Test(policy, pages_that_are_not_used_again_are_given_back)
{
    struct simulation s = {0};
    for (int cycle = 0; cycle < 1000; cycle++) {
        for (unsigned i = 0; i < 500 && cycle < 20; i++)
            touch(&s, i);
        reset_range(&s);
    }
    cr_assert_eq(resident(&s), 0);
}

/* A few pages were used when it was last looked at, and then none are any more. Small ranges are written
   whole, and what a read touched leaves no trace. */
Test(policy, a_small_range_that_is_not_used_any_more_is_given_up)
{
    for (uint32_t pages = 4; pages <= 64; pages += 4) {
        struct slot_history history = {.pages = pages, .state = SLOT_LOOK};
        struct findings used = {.touched = 3, .restored = 2}, idle = {.restored = pages, .unneeded = pages};
        enum reason why;
        uint32_t present = 0, served = 0;
        cr_assert(policy_close(&costs_typical, &history, OPEN_LOOK, &used));
        for (int i = 0; i < 10000; i++) {
            enum opening opening = policy_open(&history, i % 32 == 0, false, &why);
            const struct findings none = {0};
            bool stays = opening != OPEN_FORWARD && policy_close(&costs_typical, &history, opening,
                                                                 opening == OPEN_LOOK ? &none : &idle);
            served += i >= 5000 && opening != OPEN_FORWARD;
            present = stays ? pages : 0;
        }
        cr_assert_eq(present, 0);
        cr_assert(served < 50, "%u pages: %u of the later resets served", pages, served);
    }
}

/* Other pages in each cycle, each seldom: kept pages would only be restored in vain. */
Test(policy, a_wanderer_is_forwarded)
{
    struct simulation s = {0};
    unsigned most = 0;
    uint64_t kept = 0;
    for (unsigned cycle = 0; cycle < 10000; cycle++) {
        for (unsigned i = 0; i < 10; i++)
            touch(&s, cycle * 10 + i);
        reset_range(&s);
        kept += resident(&s);
        most = cycle > 500 && resident(&s) > most ? resident(&s) : most;
        if (cycle == 1000)
            forget_costs(&s);
    }
    cr_assert(most <= 300, "%u pages", most);
    cr_assert(kept < 10000 * 3, "%lu pages on average", kept / 10000);
    cr_assert(s.forwarded > 8800, "%lu", s.forwarded);
    cr_assert(s.restores < 15000, "%lu", s.restores);
}

/* ... in a later trial after few cycles; but one that settles down is served again, and one whose cycles
 * differ. */
Test(policy, a_wanderer_that_settles_down_is_served_again)
{
    for (int kind = 0; kind < 3; kind++) {
        struct simulation s = {0};
        for (unsigned cycle = 0; cycle < 40000; cycle++) {
            bool wanders = cycle < 2000;
            unsigned pages = !wanders && kind == 1 && cycle % 2 ? 100 : 10;
            for (unsigned i = 0; i < pages; i++)
                touch(&s, wanders ? cycle * 10 + i : kind == 2 ? (cycle * 10 + i) % 50 : i);
            reset_range(&s);
            if (cycle == 500 || cycle == 39000)
                forget_costs(&s);
            if (cycle == 1999)
                cr_assert(s.restores < 8000, "%lu", s.restores);
        }
        cr_assert(s.forwarded < 10, "kind %d: %lu forwarded", kind, s.forwarded);
    }
}

/* Pages that come back every few cycles are worth keeping, though few of them are written in any one. */
Test(policy, a_narrow_wanderer_is_served)
{
    struct simulation s = {0};
    for (unsigned cycle = 0; cycle < 10000; cycle++) {
        for (unsigned i = 0; i < 250; i++)
            touch(&s, cycle * 250 + i);
        reset_range(&s);
        if (cycle == 5000)
            forget_costs(&s);
    }
    cr_assert(s.faults < 5000 * 250 / 50, "%lu faults", s.faults);
}

Test(policy, after_a_burst_memory_is_given_back)
{
    struct simulation s = {0};
    for (unsigned cycle = 0; cycle < 4000; cycle++) {
        for (unsigned i = 0; i < (cycle >= 2000 && cycle < 2010 ? 1000 : 10); i++)
            touch(&s, i);
        reset_range(&s);
        if (cycle == 2020)
            cr_assert_eq(resident(&s), 1000);
    }
    cr_assert_eq(resident(&s), 10);
}

/* Two pages of 4 GiB, far apart: a scan of it all would pass over 2,048 page tables for them. */
Test(policy, a_scan_that_is_dearer_than_the_faults_is_not_made)
{
    struct slot_history history = {.pages = 1 << 20, .state = SLOT_LOOK};
    struct findings findings = {.touched = 2, .restored = 2};
    cr_assert(!policy_close(&costs_typical, &history, OPEN_LOOK, &findings));
    history = (struct slot_history){.pages = 1 << 20, .state = SLOT_LOOK, .window = 2};
    cr_assert(policy_close(&costs_typical, &history, OPEN_LOOK, &findings));
    history = (struct slot_history){.pages = 1 << 20, .state = SLOT_LOOK};
    policy_note_found(&history, (1 << 19) + 1, 1, 1 << 19);
    cr_assert(policy_close(&costs_typical, &history, OPEN_LOOK, &findings));
    history = (struct slot_history){.pages = 1 << 20, .state = SLOT_LOOK};
    findings.touched = findings.restored = 200;
    cr_assert(policy_close(&costs_typical, &history, OPEN_LOOK, &findings));
}

Test(policy, a_short_gap_is_scanned)
{
    struct slot_history history = {.pages = 1 << 20};
    policy_note_found(&history, 40000, 5, 32000);
    cr_assert_eq(history.window, 40000);
    cr_assert_eq(history.gap_end, 0);
    policy_note_found(&history, 40000, 0, 39999);
    cr_assert_eq(history.gap_start, 0);
    cr_assert_eq(history.gap_end, 39999);
}

/* What is left to the real call, and takes longer there than the scan would. */
Test(policy, dear_rests_are_scanned_for_a_while)
{
    struct slot_history history = {.pages = 1 << 20, .state = SLOT_LOOK};
    struct findings findings = {.touched = 2, .restored = 2};
    const uint64_t rest = (1 << 20) - 2;
    policy_note_found(&history, 1 << 19, 1, (1 << 19) - 1);
    cr_assert(policy_close(&costs_typical, &history, OPEN_LOOK, &findings));
    for (int i = 0; i < 5; i++)
        policy_time_rest(&history, rest + 1, 1000000);
    cr_assert(history.window && history.gap_end);
    policy_time_rest(&history, rest, 1000000);
    policy_time_rest(&history, rest, 1000000);
    policy_time_rest(&history, rest, 10000);
    for (int i = 0; i < 3; i++) {
        cr_assert(history.window && history.gap_end);
        policy_time_rest(&history, rest, 1000000);
    }
    cr_assert(!history.window && !history.gap_end);
    /* The next audit goes on without a rest, the one after it tries again. */
    history.state = SLOT_SERVE;
    policy_note_found(&history, 1 << 19, 1, (1 << 19) - 1);
    cr_assert(!history.window && !history.gap_end);
    cr_assert(policy_close(&costs_typical, &history, OPEN_AUDIT, &findings));
    policy_note_found(&history, 1 << 19, 1, (1 << 19) - 1);
    cr_assert(history.window && history.gap_end);
    policy_time_rest(&history, rest, 1000000);
    cr_assert(!history.window && !history.gap_end);
}

/* Where a scan was seen to pass over 4 GiB in 10 us, a real call of 20 us is dear; and of 4 GiB that nobody
   timed, it is not. */
Test(policy, a_scan_that_was_timed_says_what_is_dear)
{
    const uint64_t rest = (1 << 20) - 2;
    for (int timed = 0; timed < 2; timed++) {
        struct slot_history history = {.pages = 1 << 20, .state = SLOT_SERVE};
        if (timed)
            policy_time_scan(&history, 1 << 20, 2, 10000);
        policy_note_found(&history, 1 << 19, 1, (1 << 19) - 1);
        for (int i = 0; i < 3; i++)
            policy_time_rest(&history, rest, 20000);
        cr_assert_eq(history.window == 0, timed);
        /* An interruption teaches nothing. */
        policy_time_scan(&history, 1 << 20, 2, 100000000);
        policy_note_found(&history, 1 << 19, 1, (1 << 19) - 1);
        cr_assert_eq(history.window == 0, timed);
    }
}

Test(policy, read_only_use_keeps_the_range_served)
{
    struct slot_history history = {0};
    enum reason why;
    int forwarded = 0;
    for (int i = 0; i < 10000; i++) {
        enum opening opening = policy_open(&history, i % 32 == 0, false, &why);
        /* Present after each real call, but never dirty. */
        struct findings findings = {.touched = 5};
        forwarded += opening == OPEN_FORWARD || !policy_close(&costs_typical, &history, opening, &findings);
    }
    cr_assert(forwarded < 40, "%d", forwarded);
}

Test(policy, a_refusal_is_asked_about_again)
{
    struct slot_history history = {0};
    enum reason why;
    for (int i = 0; i < 100; i++)
        policy_refused(&history, REASON_locked);
    int asked = 0;
    for (int i = 0; i < 3200; i++)
        if (policy_open(&history, i % 32 == 0, false, &why) == OPEN_FORWARD) {
            cr_assert_eq(why, REASON_locked);
        } else {
            asked++;
            policy_refused(&history, REASON_locked);
        }
    cr_assert(asked >= 20, "%d", asked);
}
