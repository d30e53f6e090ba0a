/* What keepwarm did, counted: the table from which statistics, live file and manual come, and the place where
   it is kept. Each of the first threads counts into a block of its own, by one unlocked addition (4 ns less
   than a locked one, and whole for signal handlers too); all later threads share the last block, with locks.
 */
#ifndef SHIM_COUNTERS_H
#define SHIM_COUNTERS_H

#include <stdint.h>

#include "shim/reasons.h"
#include "shim/rules.h"

/* Of a table of rows (name, text), such as REASONS: an array of the names, or of the texts. */
#define ROW_NAME(name, text) #name,
#define ROW_TEXT(name, text) text,

enum reason {
#define REASON_NAME(name, text) REASON_##name,
    REASONS(REASON_NAME)
#undef REASON_NAME
        REASON_COUNT
};

/* COUNTER(name, text). calls is served + forwarded. */
#define COUNTERS(COUNTER)                                                                                    \
    COUNTER(served, "calls answered by a reset, in whole or in part")                                        \
    COUNTER(forwarded, "calls that the real call answered alone")                                            \
    COUNTER(real_calls, "madvise and process_madvise calls keepwarm made, of any advice: what strace sees")  \
    COUNTER(pages_scanned, "pages looked at")                                                                \
    COUNTER(pages_restored, "pages written back to their snapshot")                                          \
    COUNTER(pages_forwarded, "pages of DONTNEED calls given to the real call")                               \
    COUNTER(scans, "PAGEMAP_SCAN calls")                                                                     \
    COUNTER(scan_ns, "time in scans, estimated from one call in 64")                                         \
    COUNTER(restore_ns, "time in restores, estimated likewise")                                              \
    COUNTER(forward_ns, "time in the real call, estimated likewise")                                         \
    COUNTER(verify_differences, "mode=verify: bytes that differed from what the real call would show")

enum counter {
#define COUNTER_NAME(name, text) COUNTER_##name,
    COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
        COUNTER_COUNT
};

struct rule_counters {
    uint64_t matched, served, forwarded;
    uint64_t kept; /* bytes, as changes that may be negative: a number only as the sum of all blocks */
};

/* A multiple of a cache line, so that no two threads write to the same one. */
struct counters {
    uint64_t counter[COUNTER_COUNT];
    uint64_t declined[REASON_COUNT];
    struct rule_counters rule[RULES_MAX];
} __attribute__((aligned(64)));

enum { COUNTER_BLOCKS = 32 };

/* Adds to the calling thread's block. Safe anywhere: signals, any thread, small stacks. */
void count(enum counter counter, uint64_t amount);
void count_declined(enum reason reason);                  /* a call: it counts as forwarded too */
void count_real_call(enum reason reason, uint64_t pages); /* that answered a declined call alone */
void count_rules(uint32_t matched, uint32_t served, uint32_t forwarded); /* bit i: rule i */

/* A served call, and what it did. */
void count_served(uint64_t scans, uint64_t pages_scanned, uint64_t pages_restored);

/* Both, of a call that rules, at least one, served alone. */
void count_steady(uint64_t scans, uint64_t pages_scanned, uint64_t pages_restored, uint32_t rules);

/* Bytes that resets left resident, by rule; delta may be negative. */
void count_kept(unsigned rule, int64_t delta);

/* Their sum at this moment. One load. */
uint64_t counters_kept_total(void);

/* The sum of all blocks, as they are being counted. */
void counters_sum(struct counters *sum);

/* served + forwarded. */
uint64_t counters_calls(void);

uint64_t counters_kept(uint64_t by_rule[RULES_MAX], uint64_t *peak);

/* True for about one call in 64 of each thread: what is done now and then is done there. */
bool counters_timed_turn(void);
enum { TIMED_TURNS = 64 };

/* The same in two parts: would counters_timed_turn say so, or is it the thread's first? And: it was not, and
   the next call is another. */
bool counters_turn_is_due(void);
void counters_turn_is_over(void);

/* In a fork child: starts again from nothing. */
void counters_clear(void);

/* The calling thread's block, for the live file: its number, and its bytes. */
unsigned counters_block(const struct counters **block);

const char *counter_name(enum counter counter);
const char *counter_text(enum counter counter);
const char *reason_name(enum reason reason);
const char *reason_text(enum reason reason);

#endif
