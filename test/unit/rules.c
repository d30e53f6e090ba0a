/* Good rules: every selector and option. */
#include <stdio.h>

#include "shim/options.h"
#include "shim/presets.h"
#include "test/unit/unit.h"

static const struct rule *only_rule(const char *settings)
{
    struct parsed_rules *parsed = parse_rules(settings);
    cr_assert_eq(parsed->problems.count, 0, "%s: %s", settings, parsed->problems.bytes);
    cr_assert_eq(parsed->rules.count, 1, "%s", settings);
    return &parsed->rules.rule[0];
}

Test(rules, any_and_its_defaults)
{
    const struct rule *rule = only_rule("any");
    cr_assert_not(rule->anonymous || rule->file || rule->caller || rule->cached || rule->stable);
    cr_assert(rule->start == 0 && rule->end == UINT64_MAX && rule->min == 0 && rule->max == UINT64_MAX);
    cr_assert_eq(rule->keep, 4 << 20);
    cr_assert_eq(rule->policy, POLICY_AUTO);
    cr_assert_str_eq(rule->text, "any");
}

Test(rules, selectors)
{
    cr_assert(only_rule("anon")->anonymous);
    cr_assert_str_eq(only_rule("file=memfd:wasm*")->file, "memfd:wasm*");
    cr_assert_str_eq(only_rule("caller=libjemalloc.so*")->caller, "libjemalloc.so*");
    cr_assert_eq(only_rule("min=64K")->min, 65536);
    cr_assert_eq(only_rule("max=1M")->max, 1 << 20);
    cr_assert_eq(only_rule("max=4K,min=4K")->min, 4096);
    const struct rule *rule = only_rule("range=0x10000-30000");
    cr_assert(rule->start == 0x10000 && rule->end == 0x30000);
    rule = only_rule("range=10001-30fff"); /* inwards to pages */
    cr_assert(rule->start == 0x11000 && rule->end == 0x30000);
}

Test(rules, options)
{
    cr_assert_eq(only_rule("any,keep=0")->keep, 0);
    cr_assert_eq(only_rule("any,keep=1G")->keep, 1 << 30);
    cr_assert_eq(only_rule("any,policy=auto")->policy, POLICY_AUTO);
    cr_assert_eq(only_rule("any,policy=scan")->policy, POLICY_SCAN);
    cr_assert_eq(only_rule("any,policy=restore")->policy, POLICY_RESTORE);
    cr_assert_eq(only_rule("any,policy=forward")->policy, POLICY_FORWARD);
    cr_assert(only_rule("any,vma=cache")->cached);
    cr_assert_not(only_rule("any,vma=check")->cached);
    cr_assert(only_rule("any,image=stable")->stable);
    cr_assert_not(only_rule("any,image=sealed")->stable);
}

Test(rules, several_in_order)
{
    struct parsed_rules *parsed = parse_rules(" anon , min=4K ; file=/x*,policy=scan;any ;");
    cr_assert_eq(parsed->problems.count, 0);
    cr_assert_eq(parsed->rules.count, 3);
    cr_assert(parsed->rules.rule[0].anonymous && parsed->rules.rule[0].min == 4096);
    cr_assert_str_eq(parsed->rules.rule[1].file, "/x*");
    cr_assert_str_eq(parsed->rules.rule[1].text, "file=/x*,policy=scan");
    cr_assert(!parsed->rules.any_caller && !parsed->rules.any_cached);
}

Test(rules, empty)
{
    static const char *const empty[] = {"", " ", "\n"};
    for (size_t i = 0; i < 3; i++) {
        struct parsed_rules *parsed = parse_rules(empty[i]);
        cr_assert(parsed->rules.count == 0 && parsed->problems.count == 0);
    }
}

Test(rules, one_separator_may_end_them)
{
    static const char *const ended[] = {"any;", "any ; ", "preset=go;\n", "file=a\\,;"};
    for (size_t i = 0; i < 4; i++) {
        struct parsed_rules *parsed = parse_rules(ended[i]);
        cr_assert(parsed->rules.count == 1 && parsed->problems.count == 0, "%s", ended[i]);
    }
}

Test(rules, escapes)
{
    struct parsed_rules *parsed = parse_rules("file=/a\\,b\\;c\\\\d,keep=1M;any");
    cr_assert_eq(parsed->rules.count, 2);
    cr_assert_str_eq(parsed->rules.rule[0].file, "/a,b;c\\d");
    cr_assert_eq(parsed->rules.rule[0].keep, 1 << 20);
    cr_assert_str_eq(only_rule("file=a\\")->file, "a\\");
    cr_assert_str_eq(only_rule("file=a=b")->file, "a=b");
}

Test(rules, lines_and_comments)
{
    struct parsed_rules *parsed = parse_rule_lines("# all about it\n"
                                                   "\n"
                                                   "  anon,min=4K   # allocators\n"
                                                   "\t# indented\n"
                                                   "file=/a#b\r\n"
                                                   "any");
    cr_assert_eq(parsed->problems.count, 0, "%s", parsed->problems.bytes);
    cr_assert_eq(parsed->rules.count, 3);
    cr_assert_str_eq(parsed->rules.rule[0].text, "anon,min=4K");
    cr_assert_str_eq(parsed->rules.rule[1].file, "/a#b");
}

/* One rule a line: a backslash at a line's end must not hide the next line, which may be an exclusion. */
Test(rules, a_backslash_ends_no_line)
{
    struct parsed_rules *parsed = parse_rule_lines("# C:\\temp\\\nanon,policy=forward\nany");
    cr_assert_eq(parsed->rules.count, 2, "%u rules", parsed->rules.count);
    cr_assert_eq(parsed->rules.rule[0].policy, POLICY_FORWARD);
}

Test(rules, semicolons_in_lines_are_not_separators)
{
    struct parsed_rules *parsed = parse_rule_lines("anon;any");
    cr_assert(parsed->rules.count == 0 && parsed->problems.count == 1);
}

Test(rules, as_many_as_there_is_room_for)
{
    char settings[RULES_MAX * 4 + 1] = "";
    for (int i = 0; i < RULES_MAX; i++)
        strcat(settings, "any;");
    struct parsed_rules *parsed = parse_rules(settings);
    cr_assert(parsed->rules.count == RULES_MAX && parsed->problems.count == 0);
}

Test(rules, keep_comes_from_the_settings)
{
    static struct rules rules;
    static struct problems problems;
    problems_start(&problems);
    rules_parse(&rules, span_of("any;any,keep=3M"), false, 12345, &problems);
    cr_assert(rules.rule[0].keep == 12345 && rules.rule[1].keep == 3 << 20);
}

Test(rules, symbol)
{
    const struct rule *rule = only_rule("symbol=arena");
    cr_assert_str_eq(rule->symbol, "arena");
    cr_assert_null(rule->object);
    cr_assert(rule->start == 0 && rule->end == 0, "nothing, until it is found");
    cr_assert(rule->limit_start == 0 && rule->limit_end == UINT64_MAX);
    rule = only_rule("symbol=arena@libx.so.1,range=10000-30000");
    cr_assert_str_eq(rule->symbol, "arena");
    cr_assert_str_eq(rule->object, "libx.so.1");
    cr_assert(rule->start == 0 && rule->end == 0);
    cr_assert(rule->limit_start == 0x10000 && rule->limit_end == 0x30000);
}

Test(rules, presets_are_rules)
{
    const struct preset *preset;
    unsigned count = 0;
    for (unsigned i = 0; (preset = preset_at(i)); i++, count++) {
        char settings[64];
        snprintf(settings, sizeof settings, "preset=%s", preset->name);
        struct parsed_rules *parsed = parse_rules(settings);
        cr_assert_eq(parsed->problems.count, 0, "%s: %s", settings, parsed->problems.bytes);
        cr_assert_gt(parsed->rules.count, 0u, "%s", settings);
        cr_assert_eq(parsed->rules.hooks, preset->hooks, "%s", settings);
        cr_assert(*preset->use && *preset->measured, "%s", settings);
    }
    cr_assert_geq(count, 7u);
}

Test(rules, a_preset_stands_in_place)
{
    struct parsed_rules *parsed = parse_rules("min=1G;keep=1M,preset=wasmtime,vma=cache;any");
    cr_assert_eq(parsed->problems.count, 0, "%s", parsed->problems.bytes);
    cr_assert_eq(parsed->rules.count, 4);
    cr_assert_eq(parsed->rules.rule[0].min, 1u << 30);
    cr_assert_str_eq(parsed->rules.rule[1].file, "*");
    cr_assert(parsed->rules.rule[1].stable && parsed->rules.rule[1].cached);
    cr_assert(parsed->rules.rule[2].anonymous && parsed->rules.rule[2].cached);
    cr_assert_eq(parsed->rules.rule[1].keep, 1 << 20);
    cr_assert_eq(parsed->rules.rule[2].keep, 1 << 20);
    cr_assert_eq(parsed->rules.rule[3].keep, 4 << 20);
    cr_assert_eq(parsed->rules.hooks, HOOK_INLINE);
}

/* A preset cannot promise: its cache needs what guards it. What the user wrote stands. */
Test(rules, a_presets_cache_needs_guarding)
{
    struct rules *rules = &parse_rules("preset=wasmtime")->rules;
    cr_assert(rules->any_cached && !rules->rule[0].cached && !rules->rule[1].cached);
    rules_trust_presets(rules, true);
    cr_assert(rules->any_cached && rules->rule[0].cached && rules->rule[1].cached);
    rules_trust_presets(rules, false);
    cr_assert(!rules->any_cached && !rules->rule[0].cached && !rules->rule[1].cached);

    rules = &parse_rules("preset=wasmtime,vma=cache;any")->rules;
    rules_trust_presets(rules, false);
    cr_assert(rules->any_cached && rules->rule[0].cached && rules->rule[1].cached && !rules->rule[2].cached);

    rules = &parse_rules("preset=wasmtime,vma=check")->rules;
    rules_trust_presets(rules, true);
    cr_assert(!rules->any_cached && !rules->rule[0].cached && !rules->rule[1].cached);
}

Test(rules, what_is_beside_a_preset_wins)
{
    struct parsed_rules *parsed = parse_rules("preset=wasmtime,image=sealed");
    cr_assert_eq(parsed->problems.count, 0);
    cr_assert_not(parsed->rules.rule[0].stable);
    cr_assert_eq(parse_rules("preset=jemalloc,min=1M")->rules.rule[0].min, 1 << 20);
}

Test(rules, a_preset_is_whole_or_not_there)
{
    char settings[256] = "any";
    for (unsigned i = 1; i < RULES_MAX - 1; i++)
        strcat(settings, ";any");
    strcat(settings, ";preset=wasmtime"); /* two rules, room for one */
    struct parsed_rules *parsed = parse_rules(settings);
    cr_assert_eq(parsed->rules.count, RULES_MAX - 1);
    cr_assert_eq(parsed->rules.hooks, 0u);
    cr_assert_eq(parsed->problems.count, 1);
}
