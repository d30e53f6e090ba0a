#include "shim/policy.h"

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

/* Of one piece, which can be written whole by plain stores. */
static struct policy_input storable(uint64_t pages, uint32_t dirty)
{
    return (struct policy_input){.blind_possible = true,
                                 .stores_safe = true,
                                 .known = true,
                                 .pages = pages,
                                 .call_pages = pages,
                                 .pages_left = 999,
                                 .dirty = dirty,
                                 .piece_dirty = dirty};
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
    struct policy_input input = storable(256, 250);
    input.stores_safe = false;
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
    struct policy_input input = storable(256, 16);
    input.expected = input.resident = 250;
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
    cr_assert(policy_streams(4096) >= 16 && policy_streams(4096) < 512);
    cr_assert_eq(policy_streams(8192), UINT64_MAX);
}

Test(policy, an_image_is_copied_rather_than_asked_about)
{
    struct policy_input input = storable(256, 170);
    input.pages = 128;
    input.expected = 205;
    input.piece_dirty = 85;
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
    struct policy_input input = storable(16, 1);
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

/* Written whole as long as that is not seen to take longer than a scan, some times in a row. */
Test(policy, what_a_range_takes_to_be_written_decides)
{
    enum { COLD = 20 * 70, HOT = 20 * 20, INTERRUPTED = 100000 };
    struct slot_history history = {.state = SLOT_SERVE, .pages = 20, .kept = 20, .dirty = 1};
    struct policy_input input = storable(20, 1);
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    cr_assert(policy_wants_time(&history));
    cr_assert(policy_time_whole(&costs_typical, &history, 0, INTERRUPTED, false));
    cr_assert(policy_wants_time(&history) && !history.page_ns);
    cr_assert(policy_time_whole(&costs_typical, &history, 0, HOT, false));
    cr_assert(!policy_wants_time(&history));
    for (int i = 0; i < 2; i++)
        cr_assert(policy_time_whole(&costs_typical, &history, 0, COLD, false));
    cr_assert(!policy_time_whole(&costs_typical, &history, 0, COLD, false));
    cr_assert(history.state == SLOT_LOOK && history.kept == 0);
    input.page_ns = history.page_ns;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    /* Where all of it has come to be kept, a scan would restore it all. */
    struct findings all = {.restored = 20};
    history.state = SLOT_SERVE;
    history.kept = 19;
    cr_assert(policy_close(&costs_typical, &history, OPEN_SERVE, &all));
    input.page_ns = history.page_ns;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    for (int i = 0; i < 9; i++)
        cr_assert(policy_time_whole(&costs_typical, &history, 0, COLD, false));
    cr_assert(!policy_wants_time(&history));
    /* Not where no scan could take less, nor under a rule that learns nothing. */
    struct slot_history all_dirty = {.state = SLOT_SERVE, .pages = 20, .kept = 20, .dirty = 20};
    struct slot_history forced = {.pages = 20, .kept = 20, .dirty = 1};
    cr_assert(!policy_wants_time(&forced));
    for (int i = 0; i < 9; i++)
        cr_assert(policy_time_whole(&costs_typical, &all_dirty, 0, COLD, false) &&
                  policy_time_whole(&costs_typical, &forced, 0, COLD, false));
}

/* Pages that lie apart are reported and restored one by one. */
Test(policy, half_of_the_pages_are_not_worth_a_scan)
{
    struct policy_input half = storable(64, 32), quarter = storable(64, 16);
    half.page_ns = quarter.page_ns = 36;
    cr_assert_eq(policy_decide(&costs_typical, &half), DECIDE_BLIND);
    cr_assert_eq(policy_decide(&costs_typical, &quarter), DECIDE_SCAN);
}

/* On some turns all is written in the other way, which is then kept to if it took less. */
Test(policy, the_quicker_stores_are_used)
{
    enum { PAGES = 16, TURNS = 64 };
    struct slot_history history = {.state = SLOT_SERVE, .pages = PAGES, .kept = PAGES, .dirty = PAGES};
    unsigned trials = 0;
    history.countdown = 1;
    cr_assert(!policy_tries_other(&history, true), "nothing to compare with yet");
    cr_assert(policy_time_whole(&costs_typical, &history, 0, PAGES * 40, false));
    for (history.countdown = TURNS; history.countdown--;) {
        trials += policy_tries_other(&history, true);
        cr_assert(!policy_tries_other(&history, false));
    }
    cr_assert(trials > 0 && trials <= TURNS / 8, "%u trials", trials);
    const struct {
        unsigned page_ns;
        bool vectors;
    } tried[] = {{39, false}, {32, false}, {28, true}, {37, true}, {33, false}};
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        cr_assert(policy_time_whole(&costs_typical, &history, 0, (uint64_t)PAGES * tried[i].page_ns, true));
        cr_assert_eq(history.vectors, tried[i].vectors, "after %u ns", tried[i].page_ns);
    }
    struct slot_history small = history, long_one = history;
    small.countdown = long_one.countdown = 1;
    small.pages = 4;
    long_one.pages = 512;
    cr_assert(!policy_tries_other(&small, true), "always by vectors");
    cr_assert(!policy_tries_other(&long_one, true), "nothing is learned of it");
}

Test(policy, what_was_learned_of_stores_is_of_one_length)
{
    struct slot_history by_vectors = {.pages = 8, .vectors = 1, .page_ns = 15},
                        by_strings = {.pages = 8, .page_ns = 25};
    policy_note_length(&by_vectors, 8);
    cr_assert(by_vectors.vectors && by_vectors.page_ns == 15);
    policy_note_length(&by_vectors, 600);
    cr_assert(!by_vectors.vectors && !by_vectors.page_ns && by_vectors.pages == 600);
    policy_note_length(&by_strings, 9);
    cr_assert_eq(by_strings.page_ns, 25);
}

/* What is dear by vectors may not be by strings. Nor is what a call took that cannot use them a trial. */
Test(policy, cold_ranges_are_not_scanned_for_vectors_alone)
{
    struct slot_history history = {
        .state = SLOT_SERVE, .pages = 16, .kept = 16, .dirty = 1, .vectors = 1, .page_ns = 20};
    for (int i = 0; i < 3; i++)
        cr_assert(policy_time_whole(&costs_typical, &history, 0, 16 * 90, false));
    cr_assert(!history.vectors && policy_wants_time(&history));
    cr_assert(policy_time_whole(&costs_typical, &history, 0, 16 * 30, false));
    cr_assert_eq(history.state, SLOT_SERVE);
    for (int i = 0; i < 2; i++)
        cr_assert(policy_time_whole(&costs_typical, &history, 0, 16 * 90, false));
    cr_assert(!policy_time_whole(&costs_typical, &history, 0, 16 * 90, false));
}

/* How hot 28 pages are is not known: they are scanned at first. */
Test(policy, what_is_scanned_is_written_whole_now_and_then_to_see_what_it_takes)
{
    const struct costs hot = {.scan = 640, .store = 20};
    struct slot_history history = {.state = SLOT_SERVE, .pages = 28}, long_range = history;
    long_range.pages = 64;
    struct findings findings = {.restored = 1};
    struct policy_input input = storable(28, 1);
    cr_assert_eq(policy_decide(&hot, &input), DECIDE_SCAN);
    for (int audits = 0; audits < 3; audits++) {
        cr_assert(!policy_wants_time(&history) || audits > 1);
        policy_close(&hot, &history, OPEN_AUDIT, &findings);
        policy_close(&hot, &long_range, OPEN_AUDIT, &findings);
    }
    input.page_ns = history.page_ns;
    cr_assert_eq(policy_decide(&hot, &input), DECIDE_BLIND);
    history.kept = 28;
    cr_assert(policy_wants_time(&history));
    cr_assert(policy_time_whole(&hot, &history, 0, 28 * 50, false));
    cr_assert(!policy_time_whole(&hot, &history, 0, 28 * 50, false));
    input = storable(64, 1);
    input.page_ns = long_range.page_ns;
    cr_assert_eq(policy_decide(&hot, &input), DECIDE_SCAN);
}

/* Small ranges whose pages move: written whole they cost less than the real call, however cold. */
Test(policy, a_cold_range_whose_pages_move_is_not_given_up)
{
    struct slot_history history = {
        .state = SLOT_SERVE, .pages = 20, .kept = 20, .dirty = 1, .touched = 1, .page_ns = 70};
    struct findings findings = {.restored = 20, .unneeded = 19};
    struct slot_history on_trial = history;
    on_trial.state = SLOT_CHECK;
    cr_assert(policy_close(&costs_typical, &history, OPEN_AUDIT, &findings));
    cr_assert_eq(history.state, SLOT_SERVE);
    /* Nor is it timed again to be scanned. */
    cr_assert(policy_close(&costs_typical, &on_trial, OPEN_AUDIT, &findings));
    cr_assert(on_trial.state == SLOT_SERVE && on_trial.page_ns == 0 && !policy_wants_time(&on_trial));
}

/* Few pages are dirty in all, so that one scan finds them: written whole is then either all of the call or
   none of it, for a scan of one piece takes as long as of both. */
Test(policy, a_call_of_few_dirty_pages_is_not_torn)
{
    struct policy_input input = storable(20, 8);
    input.pages = 16;
    input.image_pages = 4;
    input.expected = 8;
    input.piece_dirty = 6;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.all_possible = true;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    input.image = true;
    input.pages = 4;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    /* To copy takes longer. */
    input.pages = 20;
    input.call_pages = 30;
    input.image = false;
    input.image_pages = 12;
    input.dirty = input.piece_dirty = 1;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_BLIND);
    input.image_pages = 26;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
}

Test(policy, the_fewer_pages_are_reported)
{
    struct policy_input input = {.pages = 100, .call_pages = 100, .pages_left = 100, .expected = 50};
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.expected = 51;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN_COMPLEMENT);
    /* An audit compares what is reported. */
    input.learning = true;
    cr_assert_eq(policy_decide(&costs_typical, &input), DECIDE_SCAN);
    input.learning = false;
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
