#include "shim/policy.h"

enum {
    BLIND_PAGES =
        16, /* up to 64 KiB a read of /dev/zero costs less than a scan (6.18: 1.12 against 1.52 us) */
    STREAK_TO_TRUST = 4,  /* scans that found a slot mostly dirty, before it is restored without one */
    STREAK_TO_PROBE = 36, /* then scan again, to see whether it still is */
};

/* Above this a scan of empty page tables costs more than the real call spends on them. */
#define FORWARD_PAGES ((uint64_t)1 << 18)

static enum decision decide_automatically(const struct policy_input *input)
{
    if (input->pages > FORWARD_PAGES)
        return DECIDE_FORWARD;
    bool dense = STREAK_TO_TRUST <= input->streak && input->streak < STREAK_TO_PROBE;
    bool small = input->pages <= BLIND_PAGES && input->pages <= input->pages_left;
    return dense && small && input->blind_possible ? DECIDE_BLIND : DECIDE_SCAN;
}

enum decision policy_decide(const struct policy_input *input)
{
    if (input->rule == POLICY_FORWARD || input->pages_left == 0)
        return DECIDE_FORWARD;
    if (input->rule == POLICY_RESTORE && input->blind_possible && input->pages <= input->pages_left)
        return DECIDE_BLIND;
    if (input->rule == POLICY_AUTO)
        return decide_automatically(input);
    return DECIDE_SCAN;
}

/* A scan costs 0.2 to 0.9 us before it looks at a page; to ask whether a present page is a file's costs 5 ns
   hot, and 40 cold. */
bool policy_scans_together(uint64_t dirty_pages)
{
    return dirty_pages <= 64;
}

uint32_t policy_after_scan(uint32_t streak, uint64_t pages, uint64_t dirty)
{
    if (dirty * 4 < pages * 3)
        return 0;
    return streak < STREAK_TO_TRUST ? streak + 1 : STREAK_TO_TRUST;
}

uint32_t policy_after_blind(uint32_t streak)
{
    return streak < STREAK_TO_PROBE ? streak + 1 : STREAK_TO_PROBE;
}
