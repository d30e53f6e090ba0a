/* Bad rules: dropped with all that follow, and shown in one line. */
#include "test/unit/unit.h"

#define DROPPED "; this rule and all after it are dropped\n"

static void assert_dropped(const char *bad, const char *line)
{
    char settings[512];
    strcat(strcat(strcpy(settings, "anon,min=1K;"), bad), ";any");
    struct parsed_rules *parsed = parse_rules(settings);
    cr_assert_eq(parsed->rules.count, 1, "%s", bad);
    cr_assert(parsed->rules.rule[0].anonymous && parsed->rules.rule[0].min == 1024);
    cr_assert_eq(parsed->problems.count, 1, "%s", bad);
    if (line)
        cr_assert_str_eq(parsed->problems.bytes, line);
    cr_assert_eq(strchr(parsed->problems.bytes, '\n')[1], 0);
}

Test(bad_rules, show_the_rule_and_the_place)
{
    assert_dropped(
        "any,keep=12Q",
        "keepwarm: KEEPWARM_REGIONS: any,keep=12Q: at keep=12Q: not a size such as 64K, 4M or 1G" DROPPED);
    assert_dropped(
        "bogus",
        "keepwarm: KEEPWARM_REGIONS: bogus: not a selector or an option; keepwarm(7) lists them" DROPPED);
    assert_dropped("anon,max=1K,min=4K",
                   "keepwarm: KEEPWARM_REGIONS: anon,max=1K,min=4K: min is more than max: it "
                   "can match nothing" DROPPED);
    assert_dropped("anon,", "keepwarm: KEEPWARM_REGIONS: anon,: an empty setting" DROPPED);
    assert_dropped("", "keepwarm: KEEPWARM_REGIONS: ;any: an empty rule" DROPPED);
    assert_dropped("preset=jemalloc,keep=12Q", "keepwarm: KEEPWARM_REGIONS: preset=jemalloc,keep=12Q: at "
                                               "keep=12Q: not a size such as 64K, 4M or 1G" DROPPED);
    assert_dropped("keep=1M",
                   "keepwarm: KEEPWARM_REGIONS: keep=1M: selects nothing: write any for all memory" DROPPED);
}

Test(bad_rules, drop_what_follows)
{
    static const char *const bad[] = {
        "any=1",
        "anon=x",
        "file=",
        "file",
        "caller=",
        "caller",
        "range=",
        "range=1000",
        "range=2000-1000",
        "range=1000-1000",
        "range=x-y",
        "range=1000-",
        "range=-1000",
        "range=0-10000000000000000",
        "min=x",
        "max=-1",
        "min=",
        "symbol=",
        "symbol=@libx.so",
        "symbol=x@",
        "symbol=x,symbol=y",
        "preset=",
        "preset=none",
        "preset",
        "preset=wasmtime,preset=go",
        "preset=wasmtime,bogus",
        "preset=wasmtime,keep=1K,keep=2K",
        "any,policy=",
        "any,policy=no",
        "any,vma=no",
        "any,vma=",
        "any,image=no",
        "any,any",
        "any,keep=1,keep=2",
        "any,,keep=1",
        "any,",
        ",any",
        "file=a\\\\,",
        "preset=go,",
        "preset=go,keep=1K,",
        ",preset=go",
        "",
        " ",
        ",",
        "min=4K,max=1K",
        "preset=jemalloc,max=1K",
        "any keep=1",
        "any,=",
        "=any",
        "policy=scan",
        "vma=cache,keep=1M",
        "ANY",
        "any,max=1K,max=2K",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_dropped(bad[i], NULL);
}

Test(bad_rules, leave_no_trace_in_the_summary)
{
    struct parsed_rules *parsed = parse_rules("anon;caller=x,vma=cache,bogus");
    cr_assert_eq(parsed->rules.count, 1);
}

Test(bad_rules, empty_ones_at_either_end)
{
    struct parsed_rules *parsed = parse_rules(";any");
    cr_assert(parsed->rules.count == 0 && parsed->problems.count == 1);
    cr_assert_str_eq(parsed->problems.bytes, "keepwarm: KEEPWARM_REGIONS: ;any: an empty rule" DROPPED);
    parsed = parse_rules("any;;");
    cr_assert(parsed->rules.count == 1 && parsed->problems.count == 1);
    parsed = parse_rules(";");
    cr_assert(parsed->rules.count == 0 && parsed->problems.count == 1);
}

Test(bad_rules, of_lines)
{
    struct parsed_rules *parsed = parse_rule_lines("anon\nbogus # comment\nany\n");
    cr_assert_eq(parsed->rules.count, 1);
    cr_assert_str_eq(
        parsed->problems.bytes,
        "keepwarm: KEEPWARM_REGIONS: bogus: not a selector or an option; keepwarm(7) lists them" DROPPED);
}

Test(bad_rules, too_many)
{
    char settings[(RULES_MAX + 2) * 4 + 1] = "";
    for (int i = 0; i < RULES_MAX + 2; i++)
        strcat(settings, "any;");
    struct parsed_rules *parsed = parse_rules(settings);
    cr_assert_eq(parsed->rules.count, RULES_MAX);
    cr_assert_str_eq(parsed->problems.bytes, "keepwarm: KEEPWARM_REGIONS: any: too many rules" DROPPED);
}

/* The text of all rules and their patterns share one buffer: no length may overrun it or half apply. */
Test(bad_rules, too_long)
{
    static char settings[3 * RULES_TEXT];
    for (size_t length = RULES_TEXT / 2 - 40; length < RULES_TEXT + 20; length += 7) {
        memset(settings, 0, sizeof settings);
        strcpy(settings, "anon;file=");
        memset(settings + 10, 'x', length);
        strcat(settings, ";any");
        struct parsed_rules *parsed = parse_rules(settings);
        if (parsed->rules.count == 3) {
            cr_assert_eq(strlen(parsed->rules.rule[1].file), length);
            cr_assert_eq(parsed->problems.count, 0);
        } else {
            cr_assert_eq(parsed->rules.count, 1);
            cr_assert_not_null(strstr(parsed->problems.bytes, "the rules are too long in all"));
        }
        cr_assert_leq(parsed->rules.text_used, RULES_TEXT);
    }
}

/* Rounded inwards to pages, such a range is empty: it must not wrap to all memory. */
Test(bad_rules, range_at_the_end_of_memory)
{
    struct parsed_rules *parsed = parse_rules("range=fffffffffffff800-ffffffffffffffff");
    if (parsed->rules.count)
        cr_assert_geq(parsed->rules.rule[0].start, parsed->rules.rule[0].end);
}

Test(problems, show_80_bytes_without_control_bytes)
{
    static struct problems problems;
    char shown[200];
    memset(shown, 'y', sizeof shown);
    shown[3] = '\n';
    shown[4] = 127;
    shown[5] = '\033';
    problems_start(&problems);
    problems_add(&problems, "V", (struct span){shown, 80}, "w");
    char wanted[200] = "keepwarm: V: ", start[] = "yyy???";
    memset(wanted + 13, 'y', 80);
    memcpy(wanted + 13, start, 6);
    strcpy(wanted + 93, ": w\n");
    cr_assert_str_eq(problems.bytes, wanted);
    problems_start(&problems);
    problems_add(&problems, "V", (struct span){shown, 81}, "w");
    strcpy(wanted + 93, "...: w\n");
    cr_assert_str_eq(problems.bytes, wanted);
}

Test(problems, only_whole_lines)
{
    static struct problems problems;
    problems_start(&problems);
    for (int i = 0; i < 500; i++)
        problems_add(&problems, "KEEPWARM", span_of("setting"), "is wrong in some way");
    cr_assert_eq(problems.count, 500);
    cr_assert_eq(problems.bytes[problems.lines.length - 1], '\n');
    cr_assert_eq(strlen(problems.bytes), problems.lines.length);
    cr_assert_lt(problems.lines.length, PROBLEMS_TEXT);
}
