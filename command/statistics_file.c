#include "command/statistics_file.h"

#include <stdio.h>
#include <string.h>

void statistics_start(struct statistics *statistics)
{
    memset(statistics, 0, sizeof *statistics);
    text_start(&statistics->text, statistics->bytes, sizeof statistics->bytes);
    statistics->report.exe = statistics->report.mode = statistics->report.arm = "";
    statistics->report.rules = &statistics->rules;
    statistics->report.sites = &statistics->sites;
}

const char *statistics_keep(struct statistics *statistics, const char *words)
{
    struct text *text = &statistics->text;
    const char *kept = text->bytes + text->length;
    text_add(text, words);
    text_add_span(text, "", 1);
    return text->full ? "" : kept;
}

int statistics_add_rule(struct statistics *statistics, const char *rule)
{
    if (statistics->rules.count == RULES_MAX)
        return -1;
    statistics->rules.rule[statistics->rules.count].text = statistics_keep(statistics, rule);
    return (int)statistics->rules.count++;
}

int counter_of(const char *name)
{
    for (enum counter counter = 0; counter < COUNTER_COUNT; counter++)
        if (strcmp(name, counter_name(counter)) == 0)
            return (int)counter;
    return -1;
}

int reason_of(const char *name)
{
    for (enum reason reason = 0; reason < REASON_COUNT; reason++)
        if (strcmp(name, reason_name(reason)) == 0)
            return (int)reason;
    return -1;
}

static uint64_t number(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static const char *words(struct statistics *statistics, const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? statistics_keep(statistics, value) : "";
}

static void take_numbers(struct report *report, const json_t *root)
{
    report->pid = (int)number(root, "pid");
    report->cpu_ns = number(root, "cpu_ns");
    report->uncounted = number(root, "uncounted") != 0;
    report->kept = number(root, "kept_bytes");
    report->kept_peak = number(root, "kept_bytes_peak");
    for (enum counter counter = 0; counter < COUNTER_COUNT; counter++)
        report->counters.counter[counter] = number(root, counter_name(counter));
    for (enum reason reason = 0; reason < REASON_COUNT; reason++)
        report->counters.declined[reason] = number(json_object_get(root, "declined"), reason_name(reason));
}

static void take_rules(struct statistics *statistics, const json_t *root)
{
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(root, "rules"), index, row)
    {
        const char *rule = json_string_value(json_object_get(row, "rule"));
        int place = statistics_add_rule(statistics, rule ? rule : "");
        if (place < 0)
            break;
        statistics->report.counters.rule[place] =
            (struct rule_counters){number(row, "matched"), number(row, "served"), number(row, "forwarded"),
                                   number(row, "kept_bytes")};
        statistics->report.kept_by_rule[place] = number(row, "kept_bytes");
    }
}

static void take_sites(struct statistics *statistics, const json_t *root)
{
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(root, "sites"), index, row)
    {
        if (index == SITES_OBJECTS)
            break;
        statistics->sites.object[index] = (struct hooks_object){
            .path = words(statistics, row, "object"),
            .plt = (unsigned)number(row, "plt"),
            .got = (unsigned)number(row, "got"),
            .inlined = (unsigned)number(row, "inline"),
            .libc = (unsigned)number(row, "libc"),
            .unpatchable = (unsigned)number(row, "unpatchable"),
        };
        statistics->sites.object_count = (unsigned)index + 1;
    }
}

static struct slice slice_of(const json_t *ab, const char *arm)
{
    const json_t *slice = json_object_get(ab, arm);
    return (struct slice){number(slice, "calls"), number(slice, "ns"), number(slice, "cpu_ns")};
}

void statistics_take_slices(struct statistics *statistics)
{
    statistics->pairs.total[ARM_ON] = slice_of(statistics->ab, "on");
    statistics->pairs.total[ARM_OFF] = slice_of(statistics->ab, "off");
    statistics->report.pairs = statistics->ab ? &statistics->pairs : NULL;
}

const char *statistics_read_json(const char *bytes, size_t length, struct statistics *statistics)
{
    static char problem[JSON_ERROR_TEXT_LENGTH + 32];
    json_error_t error;
    json_t *root = json_loadb(bytes, length, 0, &error);
    if (!root) {
        snprintf(problem, sizeof problem, "line %d: %s", error.line, error.text);
        return problem;
    }
    statistics_start(statistics);
    const char *schema = json_string_value(json_object_get(root, "schema"));
    bool known = schema && strcmp(schema, "keepwarm-stats/1") == 0;
    if (known) {
        take_numbers(&statistics->report, root);
        statistics->report.exe = words(statistics, root, "exe");
        statistics->report.mode = words(statistics, root, "mode");
        statistics->report.arm = words(statistics, root, "arm");
        take_rules(statistics, root);
        take_sites(statistics, root);
        json_t *ab = json_object_get(root, "ab");
        statistics->ab = json_object_size(ab) ? json_incref(ab) : NULL;
    } else {
        snprintf(problem, sizeof problem, "its schema is %.60s, not keepwarm-stats/1",
                 schema ? schema : "missing");
    }
    json_decref(root);
    return known ? NULL : problem;
}
