/* How one piece is reset: what is known of it goes in, a decision comes out. Pure. */
#ifndef SHIM_POLICY_H
#define SHIM_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/rules.h"

enum decision { DECIDE_SCAN, DECIDE_BLIND, DECIDE_FORWARD };

struct policy_input {
    enum rule_policy rule;
    bool blind_possible; /* anonymous, and /dev/zero is open */
    uint64_t pages;      /* of the piece */
    uint64_t pages_left; /* of the threshold */
    uint32_t streak;     /* from the slot's history */
};

enum decision policy_decide(const struct policy_input *input);

/* Should an image and the anonymous memory behind it be scanned as one, when so many pages are expected to be
   dirty in all? It saves a scan, but asks more of each page. */
bool policy_scans_together(uint64_t dirty_pages);

/* The streak after a scan that found dirty of pages, or after a blind restore (which learns nothing). A
   streak counts resets of a slot that was mostly dirty each time it was looked at. */
uint32_t policy_after_scan(uint32_t streak, uint64_t pages, uint64_t dirty);
uint32_t policy_after_blind(uint32_t streak);

#endif
