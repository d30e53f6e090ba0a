#include "shim/counters.h"

#include <stdbool.h>
#include <string.h>

#include "scan/call_path.h"

static struct {
    struct counters block[COUNTER_BLOCKS]; /* aligned by its type */
    int64_t kept_total, kept_peak;         /* bytes */
    uint32_t next_block;                   /* that no thread has yet */
} state;

enum { LAST_BLOCK = COUNTER_BLOCKS - 1 };

/* initial-exec: no call to __tls_get_addr, which may allocate. */
#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
static THREAD_LOCAL struct counters *thread_block; /* NULL: not yet given */
static THREAD_LOCAL uint32_t thread_turn;
static uint32_t first_turns; /* given to threads */

/* The calling thread's block, and whether others count there too. */
struct own {
    struct counters *block;
    bool shared;
};

static inline struct own own_block(void)
{
    if (unlikely(!thread_block)) {
        uint32_t given = __atomic_fetch_add(&state.next_block, 1, __ATOMIC_RELAXED);
        thread_block = &state.block[given < LAST_BLOCK ? given : LAST_BLOCK];
    }
    return (struct own){thread_block, thread_block == &state.block[LAST_BLOCK]};
}

static inline void count_here(uint64_t *to, uint64_t amount)
{
    __asm__("addq %1, %0" : "+m"(*to) : "er"(amount) : "cc");
}

static inline void add(struct own own, uint64_t *to, uint64_t amount)
{
    if (unlikely(own.shared))
        __atomic_fetch_add(to, amount, __ATOMIC_RELAXED);
    else
        count_here(to, amount);
}

void count(enum counter counter, uint64_t amount)
{
    struct own own = own_block();
    if (amount)
        add(own, &own.block->counter[counter], amount);
}

void count_served(uint64_t scans, uint64_t pages_scanned, uint64_t pages_restored)
{
    struct own own = own_block();
    add(own, &own.block->counter[COUNTER_served], 1);
    add(own, &own.block->counter[COUNTER_scans], scans);
    add(own, &own.block->counter[COUNTER_pages_scanned], pages_scanned);
    add(own, &own.block->counter[COUNTER_pages_restored], pages_restored);
}

void count_declined(enum reason reason)
{
    struct own own = own_block();
    add(own, &own.block->counter[COUNTER_forwarded], 1);
    add(own, &own.block->declined[reason], 1);
}

INLINED void count_real_call(enum reason reason, uint64_t pages)
{
    struct own own = own_block();
    if (unlikely(own.shared)) {
        count(COUNTER_real_calls, 1);
        count(COUNTER_pages_forwarded, pages);
        count_declined(reason);
        return;
    }
    count_here(&own.block->counter[COUNTER_forwarded], 1);
    count_here(&own.block->counter[COUNTER_real_calls], 1);
    count_here(&own.block->counter[COUNTER_pages_forwarded], pages);
    count_here(&own.block->declined[reason], 1);
}

void count_rules(uint32_t matched, uint32_t served, uint32_t forwarded)
{
    struct own own = own_block();
    for (uint32_t left = matched; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        add(own, &own.block->rule[i].matched, 1);
        if (served >> i & 1)
            add(own, &own.block->rule[i].served, 1);
        if (forwarded >> i & 1)
            add(own, &own.block->rule[i].forwarded, 1);
    }
}

INLINED void count_steady(uint64_t scans, uint64_t pages_scanned, uint64_t pages_restored, uint32_t rules)
{
    struct own own = own_block();
    if (unlikely(own.shared)) {
        count_served(scans, pages_scanned, pages_restored);
        count_rules(rules, rules, 0);
        return;
    }
    count_here(&own.block->counter[COUNTER_served], 1);
    if (scans) {
        count_here(&own.block->counter[COUNTER_scans], scans);
        count_here(&own.block->counter[COUNTER_pages_scanned], pages_scanned);
    }
    count_here(&own.block->counter[COUNTER_pages_restored], pages_restored);
    do {
        struct rule_counters *rule = &own.block->rule[__builtin_ctz(rules)];
        count_here(&rule->matched, 1);
        count_here(&rule->served, 1);
        rules &= rules - 1;
    } while (unlikely(rules));
}

void count_kept(unsigned rule, int64_t delta)
{
    if (!delta)
        return;
    struct own own = own_block();
    add(own, &own.block->rule[rule].kept, (uint64_t)delta);
    int64_t total = __atomic_add_fetch(&state.kept_total, delta, __ATOMIC_RELAXED);
    int64_t peak = __atomic_load_n(&state.kept_peak, __ATOMIC_RELAXED);
    while (total > peak && !__atomic_compare_exchange_n(&state.kept_peak, &peak, total, true,
                                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

static uint64_t at_least_zero(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

uint64_t counters_kept_total(void)
{
    return at_least_zero(__atomic_load_n(&state.kept_total, __ATOMIC_RELAXED));
}

uint64_t counters_kept(uint64_t by_rule[RULES_MAX], uint64_t *peak)
{
    for (unsigned i = 0; i < RULES_MAX; i++) {
        uint64_t kept = 0;
        for (unsigned block = 0; block < COUNTER_BLOCKS; block++)
            kept += __atomic_load_n(&state.block[block].rule[i].kept, __ATOMIC_RELAXED);
        by_rule[i] = at_least_zero((int64_t)kept);
    }
    *peak = at_least_zero(__atomic_load_n(&state.kept_peak, __ATOMIC_RELAXED));
    return counters_kept_total();
}

void counters_sum(struct counters *sum)
{
    enum { WORDS = sizeof *sum / sizeof(uint64_t) };
    uint64_t *to = (uint64_t *)sum;
    memset(sum, 0, sizeof *sum);
    for (unsigned block = 0; block < COUNTER_BLOCKS; block++) {
        uint64_t *from = (uint64_t *)&state.block[block];
        for (unsigned i = 0; i < WORDS; i++)
            to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
}

uint64_t counters_calls(void)
{
    uint64_t calls = 0;
    for (unsigned block = 0; block < COUNTER_BLOCKS; block++)
        calls += __atomic_load_n(&state.block[block].counter[COUNTER_served], __ATOMIC_RELAXED) +
                 __atomic_load_n(&state.block[block].counter[COUNTER_forwarded], __ATOMIC_RELAXED);
    return calls;
}

/* Threads begin at different turns: a program of threads that make one call each would else have all its
   calls measured. And turns come irregularly: ranges that are reset in rotation would else never have one. */
INLINED bool counters_turn_is_due(void)
{
    return thread_turn * 0x9e3779b1U < UINT32_MAX / TIMED_TURNS;
}

INLINED void counters_turn_is_over(void)
{
    thread_turn++;
}

INLINED bool counters_timed_turn(void)
{
    if (unlikely(!thread_turn))
        thread_turn = 1 + __atomic_fetch_add(&first_turns, 1, __ATOMIC_RELAXED) * 7919;
    bool due = counters_turn_is_due();
    counters_turn_is_over();
    return due;
}

void counters_clear(void)
{
    /* Blocks stay whose they are: another thread of the child may be counting. */
    memset(state.block, 0, sizeof state.block);
    state.kept_total = state.kept_peak = 0;
}

unsigned counters_block(const struct counters **block)
{
    *block = own_block().block;
    return (unsigned)(thread_block - state.block);
}

const char *counter_name(enum counter counter)
{
    static const char *const names[] = {COUNTERS(ROW_NAME)};
    return names[counter];
}

const char *counter_text(enum counter counter)
{
    static const char *const texts[] = {COUNTERS(ROW_TEXT)};
    return texts[counter];
}

const char *reason_name(enum reason reason)
{
    static const char *const names[] = {REASONS(ROW_NAME)};
    return names[reason];
}

const char *reason_text(enum reason reason)
{
    static const char *const texts[] = {REASONS(ROW_TEXT)};
    return texts[reason];
}
