#include "shim/policy.h"

#include "test/unit/unit.h"

/* A range, its program, and what the policy makes of them. */

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
    /* Every 64th, as the process counts them. */
    enum opening opening = policy_open(&s->history, s->cycles++ % 64 == 0, false, &why);
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
        if (policy_open(&s.history, i % 64 == 0, false, &why) != OPEN_FORWARD)
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
            enum opening opening = policy_open(&history, i % 64 == 0, false, &why);
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
        enum opening opening = policy_open(&history, i % 64 == 0, false, &why);
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
        if (policy_open(&history, i % 64 == 0, false, &why) == OPEN_FORWARD) {
            cr_assert_eq(why, REASON_locked);
        } else {
            asked++;
            policy_refused(&history, REASON_locked);
        }
    cr_assert(asked >= 20, "%d", asked);
}
