/* What pairs of slices show. The expected intervals are scipy's (1.17): stats.quantile_test(x, p=0.5)'s
   confidence_interval(0.95), the medians numpy's exp(median(log(x))), the coverages stats.binom's. */
#include "shim/pairs.h"

#include "test/unit/unit.h"

static const struct {
    unsigned count;
    uint32_t median, low, high;
    unsigned coverage;
} known[] = {
    {6, 1162909, 665500, 1457400, 969},   {7, 1083100, 665500, 1457400, 984},
    {10, 1061229, 665500, 1414100, 979},  {35, 1039800, 866600, 1205300, 959},
    {120, 1002730, 902200, 1095600, 965},
};

static uint32_t made_ratio(unsigned i)
{
    return (i + 1) * 7919 % 10007 * 100 + 500000;
}

Test(pairs, verdicts_are_those_of_scipy)
{
    uint32_t ratios[PAIRS_KEPT];
    for (unsigned i = 0; i < PAIRS_KEPT; i++)
        ratios[i] = made_ratio(i);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct verdict verdict = pairs_verdict(ratios, known[i].count);
        cr_assert_eq(verdict.pairs, known[i].count);
        cr_assert_eq(verdict.median, known[i].median, "%u: %u", known[i].count, verdict.median);
        cr_assert_eq(verdict.low, known[i].low, "%u: %u", known[i].count, verdict.low);
        cr_assert_eq(verdict.high, known[i].high, "%u: %u", known[i].count, verdict.high);
        cr_assert_eq(verdict.coverage, known[i].coverage, "%u: %u", known[i].count, verdict.coverage);
    }
}

/* 1 - 2 * binom.cdf(k - 1, n, 0.5), rounded, for the greatest k that leaves 0.95 or more. */
Test(pairs, coverages)
{
    static const unsigned rows[][2] = {{6, 969},  {7, 984},  {8, 992},  {9, 961},   {10, 979}, {15, 965},
                                       {20, 959}, {60, 973}, {64, 967}, {119, 957}, {120, 965}};
    uint32_t ratios[PAIRS_KEPT] = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(pairs_verdict(ratios, rows[i][0]).coverage, rows[i][1], "%u", rows[i][0]);
    for (unsigned count = PAIRS_LEAST; count <= PAIRS_KEPT; count++)
        cr_assert_geq(pairs_verdict(ratios, count).coverage, 950);
}

/* On data whose true median is 1, the interval holds 1 as often as it says, within a point. */
Test(pairs, coverage_is_what_is_said)
{
    static const unsigned counts[] = {6, 10, 35};
    enum { TRIALS = 20000 };
    uint64_t random = 20240601;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        unsigned holds = 0, said = 0;
        for (int trial = 0; trial < TRIALS; trial++) {
            uint32_t ratios[PAIRS_KEPT];
            for (unsigned j = 0; j < counts[i]; j++) {
                random = random * 6364136223846793005 + 1442695040888963407;
                ratios[j] = (uint32_t)(500000 + (random >> 32) * 1000000 / UINT32_MAX);
            }
            struct verdict verdict = pairs_verdict(ratios, counts[i]);
            holds += verdict.low <= RATIO_ONE && RATIO_ONE <= verdict.high;
            said = verdict.coverage;
        }
        double share = (double)holds / TRIALS;
        cr_assert(share > said / 1000.0 - 0.01 && share < said / 1000.0 + 0.01, "%u pairs: %f, not %u",
                  counts[i], share, said);
    }
}

Test(pairs, equal_ratios)
{
    uint32_t ratios[PAIRS_KEPT];
    for (unsigned i = 0; i < PAIRS_KEPT; i++)
        ratios[i] = UINT32_MAX;
    struct verdict verdict = pairs_verdict(ratios, PAIRS_KEPT);
    cr_assert(verdict.low == UINT32_MAX && verdict.median == UINT32_MAX && verdict.high == UINT32_MAX);
}

/* Slices that give on / off = 3/2 for calls a second, and 2/3 for CPU time a call. */
static const struct slice three_to_two[ARMS] = {
    [ARM_OFF] = {.calls = 1000, .ns = 225000000, .cpu_ns = 90000000},
    [ARM_ON] = {.calls = 3000, .ns = 450000000, .cpu_ns = 180000000},
};

Test(pairs, adding)
{
    static struct pairs pairs;
    pairs_add(&pairs, three_to_two);
    cr_assert(pairs.count == 1 && pairs.calls_ratio[0] == 1500000 && pairs.cpu_ratio[0] == 666667);
    for (unsigned i = 1; i < PAIRS_KEPT + 5; i++) {
        struct slice slice[ARMS] = {three_to_two[ARM_OFF], three_to_two[ARM_ON]};
        slice[ARM_ON].calls += i;
        pairs_add(&pairs, slice);
    }
    cr_assert_eq(pairs.count, PAIRS_KEPT + 5);
    cr_assert_eq(pairs.calls_ratio[4], 1562000, "the oldest are replaced: %u", pairs.calls_ratio[4]);
    cr_assert_eq(pairs.calls_ratio[5], 1502500, "%u", pairs.calls_ratio[5]);
    cr_assert_eq(pairs.total[ARM_OFF].calls, 125 * 1000);
    cr_assert_eq(pairs.total[ARM_ON].calls, 125 * 3000 + 124 * 125 / 2);
    cr_assert_eq(pairs.total[ARM_ON].ns, 125 * 450000000ULL);
    cr_assert_eq(pairs.total[ARM_ON].cpu_ns, 125 * 180000000ULL);
}

Test(pairs, a_pair_with_an_empty_slice_is_left_out)
{
    static struct pairs pairs;
    for (enum arm arm = ARM_OFF; arm < ARMS; arm++)
        for (unsigned field = 0; field < 3; field++) {
            struct slice slice[ARMS] = {three_to_two[ARM_OFF], three_to_two[ARM_ON]};
            ((uint64_t *)&slice[arm])[field] = 0;
            pairs_add(&pairs, slice);
        }
    cr_assert(pairs.count == 0 && pairs.total[ARM_ON].calls == 0 && pairs.total[ARM_OFF].calls == 0);
}

/* An hour a slice, at a rate and with a difference that no machine reaches. */
Test(pairs, the_largest_numbers)
{
    static struct pairs pairs;
    struct slice slice[ARMS] = {{1, 3600000000000, 3600000000000000}, {3600000000000, 3600000000000, 1}};
    pairs_add(&pairs, slice);
    cr_assert(pairs.calls_ratio[0] == UINT32_MAX && pairs.cpu_ratio[0] == 0);
}

static char bytes[4096];

static const char *shown(void (*show)(const struct pairs *, struct text *), unsigned count,
                         const struct slice slice[ARMS])
{
    static struct pairs pairs;
    memset(&pairs, 0, sizeof pairs);
    for (unsigned i = 0; i < count; i++)
        pairs_add(&pairs, slice);
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    show(&pairs, &text);
    cr_assert_not(text.full);
    return bytes;
}

Test(pairs, json)
{
    cr_assert_str_eq(
        shown(pairs_json, 6, three_to_two),
        "{\"pairs\": 6, \"off\": {\"calls\": 6000, \"ns\": 1350000000, \"cpu_ns\": 540000000, "
        "\"calls_per_second\": 4444, \"cpu_ns_per_call\": 90000}, \"on\": {\"calls\": 18000, "
        "\"ns\": 2700000000, \"cpu_ns\": 1080000000, \"calls_per_second\": 6666, "
        "\"cpu_ns_per_call\": 60000}, \"calls_ratio\": {\"pairs\": 6, \"median\": 1.500000, "
        "\"low\": 1.500000, \"high\": 1.500000, \"coverage\": 0.969, \"words\": "
        "\"more with keepwarm\"}, \"cpu_ratio\": {\"pairs\": 6, \"median\": 0.666667, \"low\": "
        "0.666667, \"high\": 0.666667, \"coverage\": 0.969, \"words\": \"less with keepwarm\"}}");
}

Test(pairs, fewer_than_six_give_no_verdict)
{
    cr_assert_not_null(
        strstr(shown(pairs_json, 5, three_to_two),
               "\"calls_ratio\": {\"pairs\": 5, \"words\": \"no verdict: fewer than 6 pairs\"}"));
    cr_assert_null(strstr(shown(pairs_json, 5, three_to_two), "median"));
    cr_assert_not_null(strstr(shown(pairs_text, 0, three_to_two), "no verdict: fewer than 6 pairs\n"));
    cr_assert_null(strstr(shown(pairs_text, 6, three_to_two), "no verdict"));
}

/* The words are those of `keepwarm ab`, for an interval that just contains 1.00 too. */
Test(pairs, no_difference)
{
    struct slice same[ARMS] = {three_to_two[ARM_OFF], three_to_two[ARM_OFF]};
    cr_assert_not_null(strstr(shown(pairs_json, 6, same), "\"words\": \"~ no difference shown\"}, \"cpu"));
    struct slice nearly[ARMS] = {{1000000, 1000000000, 1000000000}, {1000499, 1000000000, 1000000000}};
    cr_assert_not_null(strstr(shown(pairs_json, 6, nearly), "\"low\": 1.000499"));
    cr_assert_not_null(strstr(bytes, "\"words\": \"~ no difference shown\"}, \"cpu"));
    nearly[ARM_ON].calls = 1000500;
    cr_assert_not_null(strstr(shown(pairs_json, 6, nearly), "\"words\": \"more with keepwarm\"}, \"cpu"));
    struct slice turned[ARMS] = {three_to_two[ARM_ON], three_to_two[ARM_OFF]};
    cr_assert_not_null(strstr(shown(pairs_text, 6, turned),
                              "resets a second, on/off: 0.667 (0.667 to 0.667 in "
                              "96.9% of cases, 6 pairs): fewer with keepwarm\n"));
    cr_assert_not_null(strstr(bytes, "CPU time a reset, on/off: 1.500 (1.500 to 1.500 in 96.9% of cases, "
                                     "6 pairs): more with keepwarm\n"));
}
