#include "shim/rules.h"

#include <string.h>

#include "scan/prim.h"
#include "shim/presets.h"

/* One parse: where values go, and what the current rule has set so far. */
struct parse {
    struct rules *rules;
    struct rule *rule;
    bool selects;
    bool is_preset; /* and not written by the user */
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
    if (from >= to || from > -(uint64_t)PAGE)
        return "the range is empty";
    parse->rule->start = (from + PAGE - 1) & -(uint64_t)PAGE;
    parse->rule->end = to & -(uint64_t)PAGE;
    return NULL;
}

static const char *set_min(struct parse *parse, struct span value)
{
    return span_size(value, &parse->rule->min) ? NULL : NOT_A_SIZE;
}

static const char *set_max(struct parse *parse, struct span value)
{
    return span_size(value, &parse->rule->max) ? NULL : NOT_A_SIZE;
}

static const char *set_keep(struct parse *parse, struct span value)
{
    return span_size(value, &parse->rule->keep) ? NULL : NOT_A_SIZE;
}

static const char *set_policy(struct parse *parse, struct span value)
{
    static const char *const names[] = {"auto", "scan", "restore", "forward"};
    for (unsigned i = 0; i < 4; i++)
        if (span_is(value, names[i])) {
            parse->rule->policy = (enum rule_policy)i;
            parse->rules->any_forced |= parse->rule->policy != POLICY_AUTO;
            return NULL;
        }
    return "not one of auto, scan, restore, forward";
}

static const char *set_vma(struct parse *parse, struct span value)
{
    bool cached = span_is(value, "cache");
    parse->rule->cached = cached && !parse->is_preset;
    parse->rule->preset_caches = cached && parse->is_preset;
    return cached || span_is(value, "check") ? NULL : "not one of check, cache";
}

static const char *set_image(struct parse *parse, struct span value)
{
    parse->rule->stable = span_is(value, "stable");
    return parse->rule->stable || span_is(value, "sealed") ? NULL : "not one of sealed, stable";
}

/* NAME or NAME@OBJECT. */
static const char *set_symbol(struct parse *parse, struct span value)
{
    struct rule *rule = parse->rule;
    const char *problem = keep_text(parse, value, &rule->symbol);
    char *at = problem ? NULL : strchr((char *)(uintptr_t)rule->symbol, '@');
    if (problem)
        return problem;
    if (at) {
        *at = 0;
        rule->object = at + 1;
    }
    parse->rules->any_symbol = true;
    return rule->symbol[0] && (!at || at[1]) ? NULL : "not NAME or NAME@OBJECT";
}

/* Taken out of a rule before the rest of it is parsed: what comes here is a second one. */
static const char *set_preset(struct parse *parse, struct span value)
{
    (void)parse;
    (void)value;
    return "given twice";
}

static const struct {
    const char *key;
    bool selects; /* a selector: a rule needs at least one */
    setter *set;
} keys[] = {
    {"any", true, set_any},      {"anon", true, set_anon},      {"file", true, set_file},
    {"range", true, set_range},  {"symbol", true, set_symbol},  {"caller", true, set_caller},
    {"min", true, set_min},      {"max", true, set_max},        {"preset", true, set_preset},
    {"keep", false, set_keep},   {"policy", false, set_policy}, {"vma", false, set_vma},
    {"image", false, set_image},
};
enum { KEYS = sizeof keys / sizeof *keys };

static const char *parse_setting(struct parse *parse, struct span setting, uint32_t *given)
{
    struct span key, value = setting;
    span_next(&value, '=', &key);
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
    return "not a selector or an option; keepwarm(7) lists them";
}

/* Parses one rule. Of a preset's, what begins at `beside` was written next to preset=, and may repeat what
   the preset sets. On a problem *place is the setting at fault. */
static const char *parse_rule(struct rules *rules, struct span words, const char *beside, uint64_t keep,
                              struct span *place)
{
    struct rule *rule = &rules->rule[rules->count];
    struct parse parse = {rules, rule, false, beside != NULL};
    uint32_t given = 0;
    *place = words;
    if (rules->count == RULES_MAX)
        return "too many rules";
    if (memchr(words.start, 0, words.length))
        return "a NUL byte";
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
        if (place->start == beside) {
            given = 0;
            parse.is_preset = false;
        }
        *place = span_trim(*place);
        problem = parse_setting(&parse, *place, &given);
    }
    if (problem)
        return problem;
    *place = words;
    if (rule->min > rule->max)
        return "min is more than max: it can match nothing";
    if (rule->symbol) {
        rule->limit_start = rule->start;
        rule->limit_end = rule->end;
        rule->start = rule->end = 0;
    }
    rules->any_cached |= rule->cached || rule->preset_caches;
    rules->count++;
    return parse.selects ? NULL : "selects nothing: write any for all memory";
}

/* Splits preset=NAME off a rule; what is left goes to *beside. False when there is none. */
static bool take_preset(struct span words, struct span *name, struct text *beside)
{
    struct span part, key, value;
    bool found = false;
    while (span_next(&words, ',', &part)) {
        value = span_trim(part);
        if (!found && span_next(&value, '=', &key) && span_is(span_trim(key), "preset")) {
            *name = span_trim(value);
            found = true;
            continue;
        }
        text_add(beside, ",");
        text_add_span(beside, part.start, part.length);
    }
    return found;
}

/* One that a comma at the end begins is not seen by span_next. */
static bool has_empty_setting(struct span words)
{
    const char *end = words.start + words.length;
    struct span part = words;
    while (span_next(&words, ',', &part))
        if (!span_trim(part).length)
            return true;
    return part.start + part.length != end;
}

enum { PRESET_TEXT = 1024 };

/* Parses a rule, or all the rules that its preset stands for; those are put together in bytes, and *place may
   lie there. */
static const char *parse_written(struct rules *rules, struct span words, uint64_t keep, struct span *place,
                                 char bytes[PRESET_TEXT])
{
    char beside_bytes[PRESET_TEXT];
    struct text beside, text;
    struct span name, each;
    text_start(&beside, beside_bytes, sizeof beside_bytes);
    *place = words;
    if (has_empty_setting(words))
        return "an empty setting";
    if (!take_preset(words, &name, &beside))
        return parse_rule(rules, words, NULL, keep, place);
    const struct preset *preset = preset_find(name);
    *place = name.length ? name : words;
    if (!preset)
        return "not a preset; keepwarm presets lists them";
    struct span all = {preset->rules, strlen(preset->rules)};
    while (span_next(&all, ';', &each)) {
        text_start(&text, bytes, PRESET_TEXT);
        text_add_span(&text, each.start, each.length);
        text_add(&text, beside_bytes);
        *place = words;
        if (text.full || beside.full)
            return "too much beside a preset";
        const char *problem =
            parse_rule(rules, (struct span){bytes, text.length}, bytes + each.length + 1, keep, place);
        if (problem)
            return problem;
    }
    rules->hooks |= preset->hooks;
    return NULL;
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
    char bytes[PRESET_TEXT];
    memset(rules, 0, sizeof *rules);
    /* Where blanks follow the last separator, no empty rule does. */
    settings = span_trim(settings);
    const char *end = settings.start + settings.length;
    while (span_next(&settings, lines ? '\n' : ';', &words)) {
        words = span_trim(lines ? without_comment(words) : words);
        if (!words.length && lines)
            continue;
        if (!words.length) {
            words.length = (size_t)(end - words.start); /* shows where it is */
            report(problems, words, words, "an empty rule");
            return;
        }
        unsigned before = rules->count;
        const char *problem = parse_written(rules, words, keep, &place, bytes);
        if (problem) {
            rules->count = before;
            report(problems, words, place, problem);
            return;
        }
    }
}

void rules_trust_presets(struct rules *rules, bool guarded)
{
    bool any = false;
    for (unsigned i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->rule[i];
        if (rule->preset_caches)
            __atomic_store_n(&rule->cached, guarded, __ATOMIC_RELEASE);
        any |= rule->cached;
    }
    __atomic_store_n(&rules->any_cached, any, __ATOMIC_RELEASE);
}
