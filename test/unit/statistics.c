/* The three formats. Whether the JSON parses is for test/unit/formats to say, with a parser. */
#include "shim/observations.h"
#include "shim/statistics_format.h"

#include "test/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

static char bytes[1 << 18];

static struct report *full_report(const char *rules)
{
    static struct report report;
    memset(&report, 0, sizeof report);
    report.pid = 4711;
    report.exe = "a\"b\\c\nd";
    report.mode = "on";
    report.arm = "on";
    report.rules = &parse_rules(rules)->rules;
    uint64_t *words = (uint64_t *)&report.counters;
    for (size_t i = 0; i < sizeof report.counters / sizeof *words; i++)
        words[i] = 1000 + i;
    static struct pairs pairs;
    memset(&pairs, 0, sizeof pairs);
    pairs_add(&pairs, (struct slice[ARMS]){{1, 2, 3}, {4, 5, 6}});
    report.pairs = &pairs;
    report.cpu_ns = 77;
    report.kept = UINT64_MAX;
    report.kept_peak = 12;
    return &report;
}

Test(statistics, json_has_every_counter)
{
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    statistics_json(full_report("anon;file=\"x\\\\\",keep=1"), &text);
    cr_assert_not(text.full);
    for (enum counter counter = 0; counter < COUNTER_COUNT; counter++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "\"%s\": %u,", counter_name(counter), 1000 + counter);
        cr_assert_not_null(strstr(bytes, wanted), "%s", wanted);
    }
    cr_assert_not_null(strstr(bytes, "\"schema\": \"keepwarm-stats/1\""));
    cr_assert_not_null(strstr(bytes, "\"calls\": 2001,"));
    cr_assert_not_null(strstr(bytes, "\"exe\": \"a\\\"b\\\\c?d\""));
    cr_assert_not_null(strstr(bytes, "\"cpu_ns\": 77,"));
    cr_assert_not_null(
        strstr(bytes, "\"ab\": {\"pairs\": 1, \"off\": {\"calls\": 1, \"ns\": 2, \"cpu_ns\": 3, "));
    cr_assert_not_null(strstr(bytes, "\"kept_bytes\": 18446744073709551615,"));
    cr_assert_not_null(strstr(bytes, "{\"rule\": \"file=\\\"x\\\\\\\\\\\",keep=1\", \"matched\": "));
}

/* Every sample belongs to the family that was declared last, and the end is said. */
static void assert_openmetrics(const char *rules)
{
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    statistics_openmetrics(full_report(rules), &text);
    cr_assert_not(text.full, "the buffer of statistics.c is as large");
    cr_assert_str_eq(bytes + text.length - 6, "# EOF\n");
    char family[64] = "", type[16] = "";
    for (char *line = strtok(bytes, "\n"); line; line = strtok(NULL, "\n")) {
        if (sscanf(line, "# TYPE %63s %15s", family, type) == 2 || line[0] == '#')
            continue;
        cr_assert(strncmp(line, family, strlen(family)) == 0, "%s", line);
        const char *suffix = strcmp(type, "counter") == 0 ? "_total{" : "{";
        cr_assert(strncmp(line + strlen(family), suffix, strlen(suffix)) == 0, "%s", line);
        cr_assert_not_null(strstr(line, "pid=\"4711\""));
        cr_assert_eq(strtoull(strrchr(line, ' '), NULL, 10) > 0 || strstr(line, "kept"), true, "%s", line);
    }
}

Test(statistics, openmetrics)
{
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    statistics_openmetrics(full_report("anon"), &text);
    cr_assert_not_null(strstr(bytes, "arm=\"on\",slices=\"off\"} 3\n"));
    cr_assert_not_null(strstr(bytes, "arm=\"on\",slices=\"on\"} 4\n"));
    cr_assert_not_null(strstr(bytes, "arm=\"on\"} 77\n"));
    assert_openmetrics("anon;file=x");
    assert_openmetrics("");
}

/* 32 rules, whose text doubles when it is quoted. */
Test(statistics, the_longest_rules_fit)
{
    static char rules[RULES_TEXT];
    for (int i = 0; i < RULES_MAX; i++) {
        strcat(rules, "file=");
        for (int j = 0; j < 78; j++)
            strcat(rules, "\\\\");
        strcat(rules, ";");
    }
    cr_assert_eq(parse_rules(rules)->rules.count, RULES_MAX);
    assert_openmetrics(rules);
}

Test(statistics, text_names_what_was_declined)
{
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    statistics_text(full_report("anon"), &text);
    cr_assert_not(text.full);
    for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
        cr_assert_not_null(strstr(bytes, reason_name(reason)));
        cr_assert_not_null(strstr(bytes, reason_text(reason)));
    }
    cr_assert_not_null(strstr(bytes, "rule anon: served "));
}

Test(statistics, paths)
{
    static const char *const rows[][2] = {
        {"/x/%p.json", "/x/42.json"},
        {"%e-%p", "prog-42"},
        {"%%p", "%42"},
        {"a%", "a%"},
        {"%q", "%q"},
        {"", ""},
    };
    char path[16];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert(statistics_path(rows[i][0], 42, "prog", path, sizeof path));
        cr_assert_str_eq(path, rows[i][1]);
    }
    cr_assert(statistics_path("123456789012345", 42, "", path, sizeof path));
    cr_assert_not(statistics_path("1234567890123456", 42, "", path, sizeof path));
    cr_assert_not(statistics_path("12345678901234%p", 42, "", path, sizeof path));
}

/* Numbered in order, each name once. */
Test(counters, sum_and_clear)
{
    static struct counters sum;
    uint64_t by_rule[RULES_MAX], peak;
    count(COUNTER_served, 3);
    count_declined(REASON_locked);
    count_real_call(REASON_locked, 9);
    count_rules(5, 4, 1);
    count_kept(2, 8192);
    count_kept(2, -4096);
    counters_sum(&sum);
    cr_assert(sum.counter[COUNTER_served] == 3 && sum.counter[COUNTER_forwarded] == 2);
    cr_assert(sum.counter[COUNTER_real_calls] == 1 && sum.counter[COUNTER_pages_forwarded] == 9);
    cr_assert_eq(sum.declined[REASON_locked], 2);
    cr_assert(sum.rule[0].matched == 1 && sum.rule[0].forwarded == 1 && sum.rule[2].served == 1);
    cr_assert(counters_kept(by_rule, &peak) == 4096 && peak == 8192 && by_rule[2] == 4096);
    counters_clear();
    counters_sum(&sum);
    cr_assert(sum.counter[COUNTER_served] == 0 && counters_kept(by_rule, &peak) == 0 && peak == 0);
}

/* As many objects as there can be, with long names: everything before and after them is whole. */
Test(statistics, sites)
{
    static struct sites sites;
    static char path[4096];
    memset(path, 'x', sizeof path - 1);
    struct report *report = full_report("any");
    report->sites = &sites;
    sites.object[0] = (struct hooks_object){"/lib/a.so", 1, 2, 3, 4, 5};
    sites.object_count = 1;
    sites.left[0] = (struct hooks_unpatched){
        .path = "/lib/a.so", .kind = "inline", .reason = "branch", .text = "why", .address = 0x1234};
    sites.left_count = 1;
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    statistics_json(report, &text);
    cr_assert_not_null(strstr(bytes, "{\"object\": \"/lib/a.so\", \"plt\": 1, \"got\": 2, \"inline\": 3, "
                                     "\"libc\": 4, \"unpatchable\": 5}"));
    text_start(&text, bytes, sizeof bytes);
    statistics_text(report, &text);
    cr_assert_not_null(strstr(bytes, "left alone: inline at 0x1234 of /lib/a.so: branch, why\n"));
    text_start(&text, bytes, sizeof bytes);
    statistics_openmetrics(report, &text);
    cr_assert_not_null(strstr(bytes, "object=\"/lib/a.so\"} 3\n"));
    for (unsigned i = 0; i < SITES_OBJECTS; i++)
        sites.object[i] = (struct hooks_object){path, 1, 2, 3, 4, 5};
    sites.object_count = SITES_OBJECTS;
    text_start(&text, bytes, sizeof bytes);
    statistics_openmetrics(report, &text);
    cr_assert(!text.full && strcmp(bytes + text.length - 6, "# EOF\n") == 0);
    text_start(&text, bytes, sizeof bytes);
    statistics_json(report, &text);
    cr_assert(!text.full && strcmp(bytes + text.length - 3, "\n}\n") == 0);
}

/* As many observations as there can be, with names and numbers at their longest, beside sites and rules. */
Test(statistics, observations)
{
    static struct sites sites = {.object_count = SITES_OBJECTS};
    static char rules[RULES_TEXT], name[OBSERVED_NAME_SIZE], path[4096];
    uint64_t amounts[OBSERVED_COUNT];
    memset(name, '"', sizeof name - 1);
    memset(path, 'x', sizeof path - 1);
    memset(amounts, 0xff, sizeof amounts);
    for (int i = 0; i < RULES_MAX; i++)
        strcat(rules,
               "file=\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\";");
    for (unsigned i = 0; i < SITES_OBJECTS; i++)
        sites.object[i] = (struct hooks_object){path, 1, 2, 3, 4, 5};
    for (unsigned i = 0; i < 2 * OBSERVED_ROWS; i++)
        observed_add((struct observed_key){observed_name(name), observed_name(name), (uint8_t)(12 + i % 51),
                                           REASON_no_pagemap - i / 51},
                     amounts);
    struct report *report = full_report(rules);
    report->sites = &sites;
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    statistics_json(report, &text);
    cr_assert_not_null(strstr(bytes, "\"observed\": [],"), "only when asked for");
    report->observed = true;
    text_start(&text, bytes, sizeof bytes);
    statistics_json(report, &text);
    cr_assert(!text.full && strcmp(bytes + text.length - 3, "\n}\n") == 0);
    unsigned rows = 0;
    for (const char *at = bytes; (at = strstr(at, "\"hindrance\"")) != NULL; at++)
        rows++;
    cr_assert_eq(rows, OBSERVED_ROWS);
}
