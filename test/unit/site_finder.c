/* The site finder, bytes in and sites out. Sites that compilers make are in test/unit/site-compilers. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/site_patterns.h"

enum { PATTERN_COUNT = sizeof patterns / sizeof *patterns, MOST = 8 };

/* Runs the finder on a copy of exactly the pattern's size, so that a sanitizer sees a read past the end. */
static size_t find(const struct pattern *p, struct site *sites, size_t most, int scratch)
{
    uint8_t *code = malloc(p->size + !p->size);
    uint8_t *marks = malloc(p->size + !p->size);
    cr_assert(code && marks);
    memcpy(code, p->code, p->size);
    memset(marks, scratch, p->size);
    size_t count = site_find(SITE_CALLS_RESETS, code, (uint32_t)p->size, &p->target.at, p->target.count,
                             marks, sites, most);
    free(marks);
    free(code);
    return count;
}

static bool same(const struct site *a, const struct site *b)
{
    return a->mov == b->mov && a->syscall == b->syscall && a->number == b->number &&
           a->mov_length == b->mov_length && a->between == b->between && a->reason == b->reason;
}

Test(site_finder, patterns)
{
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        const struct pattern *p = &patterns[i];
        struct site sites[MOST] = {0};
        size_t count = find(p, sites, MOST, 0);
        cr_expect_eq(count, p->count, "%s: %zu sites, not %zu: %s", p->name, count, p->count, p->source);
        for (size_t k = 0; k < count && k < p->count; k++)
            cr_expect(same(&sites[k], &p->sites[k]),
                      "%s: mov %u, syscall %u, number %u, length %u, between %u, %s: %s", p->name,
                      sites[k].mov, sites[k].syscall, sites[k].number, sites[k].mov_length, sites[k].between,
                      site_reason_name(sites[k].reason), p->source);
    }
}

/* Every number in each way that numbers are written, when it is asked for and only then. */
Test(site_finder, numbers)
{
    for (size_t i = 0; i < site_numbers_count(SITE_CALLS_ALL); i++) {
        uint8_t low = (uint8_t)site_numbers[i].number, high = (uint8_t)(site_numbers[i].number >> 8),
                marks[16];
        const uint8_t forms[][10] = {{0xb8, low, high, 0, 0, 0x0f, 0x05, 0xc3},
                                     {0x48, 0xc7, 0xc0, low, high, 0, 0, 0x0f, 0x05, 0xc3},
                                     {0xbb, low, high, 0, 0, 0x89, 0xd8, 0x0f, 0x05, 0xc3}};
        for (unsigned form = 0; form < 3; form++) {
            struct site site = {0};
            cr_expect_eq(site_find(SITE_CALLS_ALL, forms[form], 10, NULL, 0, marks, &site, 1), 1u,
                         "%s, form %u", site_numbers[i].name, form);
            cr_expect(site.number == site_numbers[i].number &&
                          site.reason == (form == 2 ? SITE_register : SITE_patchable),
                      "%s, form %u: %s", site_numbers[i].name, form, site_reason_name(site.reason));
            cr_expect_eq(site_find(SITE_CALLS_RESETS, forms[form], 10, NULL, 0, marks, &site, 1),
                         (size_t)!site_is_mapping(site_numbers[i].number), "%s", site_numbers[i].name);
        }
    }
    cr_expect(!site_is_mapping(60) && !site_is_mapping(SITE_CALL_madvise) &&
              site_is_mapping(SITE_CALL_mremap));
    cr_expect_str_eq(site_call_name(SITE_CALL_munmap), "munmap");
    cr_expect_str_eq(site_call_name(60), "?");
}

Test(site_finder, at_least_sixty_patterns_and_half_refused)
{
    size_t accepted = 0, refused = 0;
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        if (patterns[i].count > 0 && patterns[i].sites[0].reason == SITE_patchable)
            accepted++;
        else
            refused++;
    }
    cr_expect_geq(accepted + refused, 60);
    cr_expect_geq(refused, accepted);
}

Test(site_finder, every_reason_of_the_finder_has_a_pattern)
{
    bool seen[SITE_REASON_COUNT] = {false};
    for (size_t i = 0; i < PATTERN_COUNT; i++)
        for (size_t k = 0; k < patterns[i].count; k++)
            seen[patterns[i].sites[k].reason] = true;
    seen[SITE_complex] = true; /* too long for a pattern: see below */
    for (unsigned reason = 0; reason < SITE_no_function; reason++)
        cr_expect(seen[reason], "no pattern is refused as %s", site_reason_name(reason));
}

Test(site_finder, scratch_content_means_nothing)
{
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        struct site sites[MOST] = {0};
        cr_expect_eq(find(&patterns[i], sites, MOST, 0xff), patterns[i].count, "%s", patterns[i].name);
    }
}

Test(site_finder, counts_what_does_not_fit)
{
    for (size_t i = 0; i < PATTERN_COUNT; i++)
        cr_expect_geq(find(&patterns[i], NULL, 0, 0), patterns[i].count, "%s", patterns[i].name);
    cr_expect_eq(site_find(SITE_CALLS_RESETS, NULL, 0, NULL, 0, NULL, NULL, 0), 0u);
}

Test(site_finder, targets_past_the_end_are_ignored)
{
    static const uint8_t code[] = "\xb8\x1c\x00\x00\x00\x0f\x05\xc3";
    static const uint32_t targets[] = {8, 9, UINT32_MAX};
    uint8_t marks[8];
    struct site site;
    cr_expect_eq(site_find(SITE_CALLS_RESETS, code, 8, targets, 3, marks, &site, 1), 1u);
    cr_expect_eq(site.reason, SITE_patchable);
}

/* Blocks chained by jumps that alternate between the two ends: each look for the next one crosses the
 * function. */
Test(site_finder, many_crossing_jumps_stay_bounded, .timeout = 20)
{
    enum { SIZE = 1 << 20, STEP = 8, BLOCKS = SIZE / STEP };
    uint8_t *code = malloc(SIZE), *marks = malloc(SIZE);
    cr_assert(code && marks);
    memset(code, 0xcc, SIZE);
    for (int i = 0; i + 1 < BLOCKS; i++) {
        int here = i % 2 ? BLOCKS - 1 - i / 2 : i / 2, there = i % 2 ? (i + 1) / 2 : BLOCKS - 1 - (i + 1) / 2;
        int32_t distance = (there - here) * STEP - 5;
        code[here * STEP] = 0xe9;
        memcpy(code + here * STEP + 1, &distance, sizeof distance);
    }
    memcpy(code + BLOCKS / 2 * STEP, "\xb8\x1c\x00\x00\x00\x0f\x05\xc3", 8);
    struct site site;
    cr_expect_eq(site_find(SITE_CALLS_RESETS, code, SIZE, NULL, 0, marks, &site, 1), 1u);
    cr_expect_eq(site.reason, SITE_complex);
    free(marks);
    free(code);
}

Test(site_finder, names)
{
    cr_expect_str_eq(site_reason_name(SITE_patchable), "patchable");
    cr_expect_str_eq(site_reason_name(SITE_rip_relative), "rip_relative");
    cr_expect_str_eq(site_reason_name(SITE_REASON_COUNT), "?");
    cr_expect_str_eq(site_reason_text(SITE_REASON_COUNT), "?");
}
