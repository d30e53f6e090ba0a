#include "shim/pairs.h"

#include <stdbool.h>

/* 2^120 and its binomial coefficients need more than 64 bits. */
__extension__ typedef unsigned __int128 wide;

static uint32_t ratio(wide numerator, wide denominator)
{
    wide millionths = (numerator * RATIO_ONE + denominator / 2) / denominator;
    return millionths < UINT32_MAX ? (uint32_t)millionths : UINT32_MAX;
}

static bool is_empty(const struct slice *slice)
{
    return !slice->calls || !slice->ns || !slice->cpu_ns;
}

void pairs_add(struct pairs *pairs, const struct slice slice[ARMS])
{
    const struct slice *on = &slice[ARM_ON], *off = &slice[ARM_OFF];
    if (is_empty(on) || is_empty(off))
        return;
    unsigned at = pairs->count % PAIRS_KEPT;
    pairs->calls_ratio[at] = ratio((wide)on->calls * off->ns, (wide)off->calls * on->ns);
    pairs->cpu_ratio[at] = ratio((wide)on->cpu_ns * off->calls, (wide)off->cpu_ns * on->calls);
    pairs->count++;
    for (enum arm arm = ARM_OFF; arm < ARMS; arm++) {
        pairs->total[arm].calls += slice[arm].calls;
        pairs->total[arm].ns += slice[arm].ns;
        pairs->total[arm].cpu_ns += slice[arm].cpu_ns;
    }
}

/* The rank-th smallest, from 1. By counting, so that a small stack need not hold a sorted copy. */
static uint32_t order_statistic(const uint32_t *ratios, unsigned count, unsigned rank)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned below = 0, equal = 0;
        for (unsigned j = 0; j < count; j++) {
            below += ratios[j] < ratios[i];
            equal += ratios[j] == ratios[i];
        }
        if (below < rank && rank <= below + equal)
            return ratios[i];
    }
    return 0; /* only while another thread is replacing them */
}

static uint32_t geometric_mean(uint32_t a, uint32_t b)
{
    uint64_t product = (uint64_t)a * b, root = 0;
    for (uint64_t bit = 1ULL << 31; bit; bit >>= 1)
        if ((root | bit) * (root | bit) <= product)
            root |= bit;
    return (uint32_t)root;
}

/* The interval from the rank-th smallest to the rank-th largest misses when fewer than rank of count fair
   coins show heads, or fewer than rank show tails. Returns the greatest rank for which that is 5% or less. */
static unsigned interval_rank(unsigned count, unsigned *coverage)
{
    wide all = (wide)1 << count, tail = 0, coefficient = 1;
    unsigned rank = 0;
    while ((tail + coefficient) * 40 <= all) {
        tail += coefficient;
        rank++;
        coefficient = coefficient * (count - rank + 1) / rank;
    }
    *coverage = 1000 - (unsigned)((tail * 2000 + all / 2) >> count);
    return rank;
}

struct verdict pairs_verdict(const uint32_t *ratios, unsigned count)
{
    struct verdict verdict = {.pairs = count};
    if (count < PAIRS_LEAST)
        return verdict;
    unsigned rank = interval_rank(count, &verdict.coverage);
    verdict.low = order_statistic(ratios, count, rank);
    verdict.high = order_statistic(ratios, count, count + 1 - rank);
    verdict.median = geometric_mean(order_statistic(ratios, count, (count + 1) / 2),
                                    order_statistic(ratios, count, count / 2 + 1));
    return verdict;
}

/* ---- shown ---- */

static const char *const arm_names[ARMS] = {"off", "on"};

/* What is compared. */
static const struct {
    const char *key, *name, *above, *below;
    size_t ratios;
} rows[] = {
    {"calls_ratio", "resets a second", "more with keepwarm", "fewer with keepwarm",
     offsetof(struct pairs, calls_ratio)},
    {"cpu_ratio", "CPU time a reset", "more with keepwarm", "less with keepwarm",
     offsetof(struct pairs, cpu_ratio)},
};
enum { ROWS = sizeof rows / sizeof *rows };

static struct verdict verdict_of(const struct pairs *pairs, unsigned row)
{
    const uint32_t *ratios = (const uint32_t *)((const char *)pairs + rows[row].ratios);
    return pairs_verdict(ratios, pairs->count < PAIRS_KEPT ? (unsigned)pairs->count : PAIRS_KEPT);
}

/* A difference that the third place does not show is none: at a fixed rate, 1.000004 may well be proven. */
static uint32_t thousandths(uint32_t millionths)
{
    return (uint32_t)(((uint64_t)millionths + 500) / 1000);
}

static const char *words_of(const struct verdict *verdict, unsigned row)
{
    if (verdict->pairs < PAIRS_LEAST)
        return "no verdict: fewer than 6 pairs";
    if (thousandths(verdict->low) > 1000)
        return rows[row].above;
    return thousandths(verdict->high) < 1000 ? rows[row].below : "~ no difference shown";
}

static uint64_t a_second(const struct slice *slice)
{
    return slice->ns ? (uint64_t)((wide)slice->calls * 1000000000 / slice->ns) : 0;
}

static uint64_t cpu_ns_a_call(const struct slice *slice)
{
    return slice->calls ? slice->cpu_ns / slice->calls : 0;
}

static void named(struct text *text, const char *before, const char *name, uint64_t number)
{
    text_add(text, before);
    text_add(text, "\"");
    text_add(text, name);
    text_add(text, "\": ");
    text_add_number(text, number);
}

static void named_ratio(struct text *text, const char *name, uint32_t millionths)
{
    text_add(text, "\"");
    text_add(text, name);
    text_add(text, "\": ");
    text_add_decimal(text, millionths, 6);
    text_add(text, ", ");
}

void pairs_json(const struct pairs *pairs, struct text *text)
{
    named(text, "{", "pairs", pairs->count);
    for (enum arm arm = ARM_OFF; arm < ARMS; arm++) {
        const struct slice *total = &pairs->total[arm];
        text_add(text, ", \"");
        text_add(text, arm_names[arm]);
        named(text, "\": {", "calls", total->calls);
        named(text, ", ", "ns", total->ns);
        named(text, ", ", "cpu_ns", total->cpu_ns);
        named(text, ", ", "calls_per_second", a_second(total));
        named(text, ", ", "cpu_ns_per_call", cpu_ns_a_call(total));
        text_add(text, "}");
    }
    for (unsigned row = 0; row < ROWS; row++) {
        struct verdict verdict = verdict_of(pairs, row);
        text_add(text, ", \"");
        text_add(text, rows[row].key);
        named(text, "\": {", "pairs", verdict.pairs);
        text_add(text, ", ");
        if (verdict.pairs >= PAIRS_LEAST) {
            named_ratio(text, "median", verdict.median);
            named_ratio(text, "low", verdict.low);
            named_ratio(text, "high", verdict.high);
            text_add(text, "\"coverage\": ");
            text_add_decimal(text, verdict.coverage, 3);
            text_add(text, ", ");
        }
        text_add(text, "\"words\": \"");
        text_add(text, words_of(&verdict, row));
        text_add(text, "\"}");
    }
    text_add(text, "}");
}

void pairs_text(const struct pairs *pairs, struct text *text)
{
    for (enum arm arm = ARM_OFF; arm < ARMS; arm++) {
        text_add(text, "  ab, ");
        text_add(text, arm_names[arm]);
        text_add(text, ": ");
        text_add_number(text, a_second(&pairs->total[arm]));
        text_add(text, " resets a second, ");
        text_add_number(text, cpu_ns_a_call(&pairs->total[arm]));
        text_add(text, " ns of CPU time a reset\n");
    }
    for (unsigned row = 0; row < ROWS; row++) {
        struct verdict verdict = verdict_of(pairs, row);
        text_add(text, "  ab, ");
        text_add(text, rows[row].name);
        text_add(text, ", on/off: ");
        if (verdict.pairs >= PAIRS_LEAST) {
            text_add_decimal(text, thousandths(verdict.median), 3);
            text_add(text, " (");
            text_add_decimal(text, thousandths(verdict.low), 3);
            text_add(text, " to ");
            text_add_decimal(text, thousandths(verdict.high), 3);
            text_add(text, " in ");
            text_add_decimal(text, verdict.coverage, 1);
            text_add(text, "% of cases, ");
            text_add_number(text, verdict.pairs);
            text_add(text, " pairs): ");
        }
        text_add(text, words_of(&verdict, row));
        text_add(text, "\n");
    }
}
