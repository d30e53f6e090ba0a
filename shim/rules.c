#include "shim/rules.h"

#include <string.h>

#include "scan/prim.h"

/* One parse: where values go, and what the current rule has set so far. */
struct parse {
    struct rules *rules;
    struct rule *rule;
    bool selects;
};

/* Each setter returns NULL, or what is wrong with the value. */
typedef const char *setter(struct parse *parse, struct span value);

static const char *keep_text(struct parse *parse, struct span value, const char **to)
{
    struct rules *rules = parse->rules;
    char *at = rules->text + rules->text_used;
    long length = span_unescape(value, at, sizeof rules->text - rules->text_used);
    if (length < 0)
        return "the rules are too long in all";
    if (length == 0)
        return "the pattern is empty";
    rules->text_used += (unsigned)length + 1;
    *to = at;
    return NULL;
}

static const char *set_any(struct parse *parse, struct span value)
{
    (void)parse;
    return value.length ? "takes no value" : NULL;
}

static const char *set_anon(struct parse *parse, struct span value)
{
    parse->rule->anonymous = true;
    return value.length ? "takes no value" : NULL;
}

static const char *set_file(struct parse *parse, struct span value)
{
    parse->rules->any_file = true;
    return keep_text(parse, value, &parse->rule->file);
}

static const char *set_caller(struct parse *parse, struct span value)
{
    parse->rules->any_caller = true;
    return keep_text(parse, value, &parse->rule->caller);
}

static const char *set_range(struct parse *parse, struct span value)
{
    struct span start, end = value;
    uint64_t from, to;
    if (!span_next(&end, '-', &start) || !span_hex(start, &from) || !span_hex(end, &to))
        return "not a range A-B in hexadecimal";
    if (from >= to)
        return "the range is empty";
    parse->rule->start = (from + PAGE - 1) & -(uint64_t)PAGE;
    parse->rule->end = to & -(uint64_t)PAGE;
    return NULL;
}

static const char *set_min(struct parse *parse, struct span value)
{
    return span_size(value, &parse->rule->min) ? NULL : "not a size";
}

static const char *set_max(struct parse *parse, struct span value)
{
    return span_size(value, &parse->rule->max) ? NULL : "not a size";
}

static const char *set_keep(struct parse *parse, struct span value)
{
    return span_size(value, &parse->rule->keep) ? NULL : "not a size";
}

static const char *set_policy(struct parse *parse, struct span value)
{
    static const char *const names[] = {"auto", "scan", "restore", "forward"};
    for (unsigned i = 0; i < 4; i++)
        if (span_is(value, names[i])) {
            parse->rule->policy = (enum rule_policy)i;
            return NULL;
        }
    return "not one of auto, scan, restore, forward";
}

static const char *set_vma(struct parse *parse, struct span value)
{
    parse->rule->cached = span_is(value, "cache");
    parse->rules->any_cached |= parse->rule->cached;
    return parse->rule->cached || span_is(value, "check") ? NULL : "not one of check, cache";
}

static const char *set_image(struct parse *parse, struct span value)
{
    parse->rule->stable = span_is(value, "stable");
    return parse->rule->stable || span_is(value, "sealed") ? NULL : "not one of sealed, stable";
}

static const char *set_later(struct parse *parse, struct span value)
{
    (void)parse;
    (void)value;
    return "not in this version of keepwarm";
}

static const struct {
    const char *key;
    bool selects; /* a selector: a rule needs at least one */
    setter *set;
} keys[] = {
    {"any", true, set_any},      {"anon", true, set_anon},      {"file", true, set_file},
    {"range", true, set_range},  {"symbol", true, set_later},   {"caller", true, set_caller},
    {"min", true, set_min},      {"max", true, set_max},        {"preset", true, set_later},
    {"keep", false, set_keep},   {"policy", false, set_policy}, {"vma", false, set_vma},
    {"image", false, set_image},
};
enum { KEYS = sizeof keys / sizeof *keys };

static const char *parse_setting(struct parse *parse, struct span setting, uint32_t *given)
{
    struct span key, value = setting;
    if (!span_next(&value, '=', &key))
        return "an empty setting";
    key = span_trim(key);
    for (unsigned i = 0; i < KEYS; i++) {
        if (!span_is(key, keys[i].key))
            continue;
        if (*given & 1u << i)
            return "given twice";
        *given |= 1u << i;
        parse->selects |= keys[i].selects;
        return keys[i].set(parse, span_trim(value));
    }
    return "not a selector or an option";
}

/* Parses one rule. On a problem *place is the setting at fault. */
static const char *parse_rule(struct rules *rules, struct span words, uint64_t keep, struct span *place)
{
    struct rule *rule = &rules->rule[rules->count];
    struct parse parse = {rules, rule, false};
    uint32_t given = 0;
    *place = words;
    if (rules->count == RULES_MAX)
        return "too many rules";
    *rule = (struct rule){.end = UINT64_MAX, .max = UINT64_MAX, .keep = keep};
    /* The rule as it was written, unescaped or not: it is only shown. */
    size_t room = sizeof rules->text - rules->text_used;
    if (words.length >= room)
        return "the rules are too long in all";
    rule->text = rules->text + rules->text_used;
    memcpy(rules->text + rules->text_used, words.start, words.length);
    rules->text_used += (unsigned)words.length + 1;
    rules->text[rules->text_used - 1] = 0;

    struct span rest = words;
    const char *problem = NULL;
    while (!problem && span_next(&rest, ',', place)) {
        *place = span_trim(*place);
        problem = parse_setting(&parse, *place, &given);
    }
    if (problem)
        return problem;
    *place = words;
    return parse.selects ? NULL : "selects nothing: write any for all memory";
}

static void report(struct problems *problems, struct span rule, struct span place, const char *what)
{
    char bytes[320];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    if (place.length != rule.length) {
        text_add(&text, "at ");
        text_add_span(&text, place.start, place.length < 60 ? place.length : 60);
        text_add(&text, ": ");
    }
    text_add(&text, what);
    text_add(&text, "; this rule and all after it are dropped");
    problems_add(problems, "KEEPWARM_REGIONS", rule, bytes);
}

/* A # starts a comment at the start of a line or after a blank: within a word it may be part of a path. */
static struct span without_comment(struct span line)
{
    for (size_t i = 0; i < line.length; i++)
        if (line.start[i] == '#' && (i == 0 || line.start[i - 1] == ' ' || line.start[i - 1] == '\t'))
            return (struct span){line.start, i};
    return line;
}

void rules_parse(struct rules *rules, struct span settings, bool lines, uint64_t keep,
                 struct problems *problems)
{
    struct span words, place;
    memset(rules, 0, sizeof *rules);
    while (span_next(&settings, lines ? '\n' : ';', &words)) {
        words = span_trim(lines ? without_comment(words) : words);
        if (!words.length)
            continue;
        const char *problem = parse_rule(rules, words, keep, &place);
        if (problem) {
            report(problems, words, place, problem);
            return;
        }
        rules->count++;
    }
}
