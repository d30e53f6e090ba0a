#include "test/unit/unit.h"

struct parsed_rules *parse_rules(const char *settings)
{
    static struct parsed_rules parsed;
    problems_start(&parsed.problems);
    rules_parse(&parsed.rules, span_of(settings), false, 4 << 20, &parsed.problems);
    return &parsed;
}

struct parsed_rules *parse_rule_lines(const char *lines)
{
    static struct parsed_rules parsed;
    problems_start(&parsed.problems);
    rules_parse(&parsed.rules, span_of(lines), true, 4 << 20, &parsed.problems);
    return &parsed;
}

struct parsed_options *parse_options(const char *settings)
{
    static struct parsed_options parsed;
    problems_start(&parsed.problems);
    options_parse(&parsed.options, span_of(settings), &parsed.problems);
    return &parsed;
}
