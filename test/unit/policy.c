#include "shim/policy.h"

#include "test/unit/unit.h"

static enum decision decide(enum rule_policy rule, bool blind, uint64_t pages, uint64_t left, uint32_t streak)
{
    struct policy_input input = {rule, blind, pages, left, streak};
    return policy_decide(&input);
}

/* However long a slot was dense when it was looked at: the streak after so many scans. */
static uint32_t dense_streak(void)
{
    uint32_t streak = 0;
    for (int i = 0; i < 100; i++)
        streak = policy_after_scan(streak, 16, 16);
    return streak;
}

Test(policy, what_a_rule_says)
{
    cr_assert_eq(decide(POLICY_FORWARD, true, 1, 1000, 0), DECIDE_FORWARD);
    cr_assert_eq(decide(POLICY_SCAN, true, 1, 1000, dense_streak()), DECIDE_SCAN);
    cr_assert_eq(decide(POLICY_RESTORE, true, 1000, 1000, 0), DECIDE_BLIND);
    cr_assert_eq(decide(POLICY_RESTORE, false, 1000, 1000, 0), DECIDE_SCAN);
    cr_assert_eq(decide(POLICY_RESTORE, true, 1001, 1000, 0), DECIDE_SCAN);
    cr_assert_eq(decide(POLICY_AUTO, true, 1, 1000, 0), DECIDE_SCAN);
}

Test(policy, nothing_beyond_the_threshold)
{
    for (int rule = POLICY_AUTO; rule <= POLICY_FORWARD; rule++)
        for (uint32_t streak = 0; streak < 50; streak++)
            cr_assert_eq(decide((enum rule_policy)rule, true, 4, 0, streak), DECIDE_FORWARD);
    /* Blind only when all of it fits. */
    for (int rule = POLICY_AUTO; rule <= POLICY_FORWARD; rule++)
        for (uint32_t streak = 0; streak < 50; streak++)
            cr_assert_neq(decide((enum rule_policy)rule, true, 4, 3, streak), DECIDE_BLIND);
}

Test(policy, blind_only_for_small_dense_anonymous)
{
    uint32_t dense = dense_streak();
    cr_assert_eq(decide(POLICY_AUTO, true, 16, 1000, dense), DECIDE_BLIND);
    cr_assert_eq(decide(POLICY_AUTO, false, 16, 1000, dense), DECIDE_SCAN);
    cr_assert_eq(decide(POLICY_AUTO, true, 17, 1000, dense), DECIDE_SCAN);
    cr_assert_eq(decide(POLICY_AUTO, true, 16, 1000, policy_after_scan(dense, 16, 3)), DECIDE_SCAN);
}

Test(policy, looks_again_now_and_then)
{
    uint32_t streak = dense_streak();
    int blind = 0;
    while (decide(POLICY_AUTO, true, 16, 1000, streak) == DECIDE_BLIND && blind < 1000) {
        streak = policy_after_blind(streak);
        blind++;
    }
    cr_assert(blind > 0 && blind < 200, "%d", blind);
    cr_assert_eq(policy_after_blind(streak), streak);
    streak = policy_after_scan(streak, 16, 12);
    cr_assert_eq(decide(POLICY_AUTO, true, 16, 1000, streak), DECIDE_BLIND);
}

Test(policy, very_large_ranges_go_to_the_kernel)
{
    cr_assert_eq(decide(POLICY_AUTO, true, 1 << 18, 1000, 0), DECIDE_SCAN);
    cr_assert_eq(decide(POLICY_AUTO, true, (1 << 18) + 1, 1000, 0), DECIDE_FORWARD);
    cr_assert_eq(decide(POLICY_SCAN, true, 1 << 20, 1000, 0), DECIDE_SCAN);
}

Test(policy, streaks_fit_a_byte)
{
    uint32_t streak = 0;
    for (int i = 0; i < 1000; i++)
        streak = policy_after_blind(policy_after_scan(streak, 4, 4));
    for (int i = 0; i < 1000; i++)
        streak = policy_after_blind(streak);
    cr_assert_leq(streak, UINT8_MAX);
}
