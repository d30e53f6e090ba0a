#include "shim/statistics_format.h"

#include <stddef.h>
#include <string.h>

#include "shim/observations.h"

static uint64_t calls_of(const struct counters *counters)
{
    return counters->counter[COUNTER_served] + counters->counter[COUNTER_forwarded];
}

/* What is counted of an object's sites. */
static const struct {
    const char *name, *text;
    size_t offset;
} site_kind[] = {
    {"plt", "slots that preloading reached", offsetof(struct hooks_object, plt)},
    {"got", "slots changed", offsetof(struct hooks_object, got)},
    {"inline", "inline system calls patched", offsetof(struct hooks_object, inlined)},
    {"libc", "functions of libc patched", offsetof(struct hooks_object, libc)},
    {"unpatchable", "places left alone", offsetof(struct hooks_object, unpatchable)},
};
enum { SITE_KINDS = sizeof site_kind / sizeof *site_kind };

static unsigned site_count(const struct hooks_object *object, unsigned kind)
{
    return *(const unsigned *)((const char *)object + site_kind[kind].offset);
}

static void json_key(struct text *text, const char *key)
{
    text_add_quoted(text, key);
    text_add(text, ": ");
}

static void json_number(struct text *text, const char *key, uint64_t number, const char *after)
{
    json_key(text, key);
    text_add_number(text, number);
    text_add(text, after);
}

static void json_string(struct text *text, const char *key, const char *words, const char *after)
{
    json_key(text, key);
    text_add_quoted(text, words);
    text_add(text, after);
}

static void json_declined(const struct counters *counters, struct text *text)
{
    const char *separator = "";
    text_add(text, "  \"declined\": {");
    for (enum reason reason = 0; reason < REASON_COUNT; reason++)
        if (counters->declined[reason]) {
            text_add(text, separator);
            json_number(text, reason_name(reason), counters->declined[reason], "");
            separator = ", ";
        }
    text_add(text, "},\n");
}

static void json_rules(const struct report *report, struct text *text)
{
    text_add(text, "  \"rules\": [");
    for (unsigned i = 0; i < report->rules->count; i++) {
        const struct rule_counters *rule = &report->counters.rule[i];
        text_add(text, i ? ",\n    {" : "\n    {");
        json_string(text, "rule", report->rules->rule[i].text, ", ");
        json_number(text, "matched", rule->matched, ", ");
        json_number(text, "served", rule->served, ", ");
        json_number(text, "forwarded", rule->forwarded, ", ");
        json_number(text, "kept_bytes", report->kept_by_rule[i], "}");
    }
    text_add(text, "],\n");
}

/* How many objects can be listed: what comes after them must fit too. */
enum { SITES_ROW_MOST = 8192, SITES_TAIL = 16384 };

static unsigned objects_of(const struct sites *sites)
{
    return sites ? __atomic_load_n(&sites->object_count, __ATOMIC_ACQUIRE) : 0;
}

static bool has_room(const struct text *text)
{
    return text->size - text->length > SITES_ROW_MOST + SITES_TAIL;
}

static void json_sites(const struct sites *sites, struct text *text)
{
    unsigned count = objects_of(sites);
    text_add(text, "  \"sites\": [");
    for (unsigned i = 0; i < count && has_room(text); i++) {
        const struct hooks_object *o = &sites->object[i];
        text_add(text, i ? ",\n    {" : "\n    {");
        json_string(text, "object", o->path, ", ");
        for (unsigned kind = 0; kind < SITE_KINDS; kind++)
            json_number(text, site_kind[kind].name, site_count(o, kind), kind + 1 < SITE_KINDS ? ", " : "}");
    }
    text_add(text, "],\n");
}

static void json_observed_row(const struct observed_row *row, struct text *text)
{
    json_string(text, "caller", row->caller, ", ");
    json_string(text, "mapping", row->mapping, ", ");
    json_string(text, "hindrance", row->hindrance == REASON_COUNT ? "" : reason_name(row->hindrance), ", ");
    json_number(text, "size", row->size, "");
    for (enum observed count = 0; count < OBSERVED_COUNT; count++) {
        text_add(text, ", ");
        json_number(text, observed_count_name(count), row->amounts[count], "");
    }
}

static void json_observed(const struct report *report, struct text *text)
{
    const char *separator = "\n    {";
    struct observed_row row;
    text_add(text, "  \"observed\": [");
    for (unsigned i = 0; report->observed && i < OBSERVED_ROWS; i++)
        if (observed_row(i, &row)) {
            text_add(text, separator);
            json_observed_row(&row, text);
            text_add(text, "}");
            separator = ",\n    {";
        }
    text_add(text, "],\n");
}

void statistics_json(const struct report *report, struct text *text)
{
    text_add(text, "{\n  ");
    json_string(text, "schema", "keepwarm-stats/1", ",\n  ");
    json_number(text, "pid", (uint64_t)report->pid, ",\n  ");
    json_string(text, "exe", report->exe, ",\n  ");
    json_string(text, "mode", report->mode, ",\n  ");
    json_string(text, "arm", report->arm, ",\n  ");
    json_number(text, "calls", calls_of(&report->counters), ",\n");
    for (enum counter counter = 0; counter < COUNTER_COUNT; counter++) {
        text_add(text, "  ");
        json_number(text, counter_name(counter), report->counters.counter[counter], ",\n");
    }
    json_declined(&report->counters, text);
    text_add(text, "  ");
    json_number(text, "kept_bytes", report->kept, ",\n  ");
    json_number(text, "kept_bytes_peak", report->kept_peak, ",\n");
    if (report->cpu_ns) {
        text_add(text, "  ");
        json_number(text, "cpu_ns", report->cpu_ns, ",\n");
    }
    if (report->uncounted) {
        text_add(text, "  ");
        json_number(text, "uncounted", 1, ",\n");
    }
    json_rules(report, text);
    json_observed(report, text);
    json_sites(report->sites, text);
    text_add(text, "  \"ab\": ");
    if (report->pairs)
        pairs_json(report->pairs, text);
    else
        text_add(text, "{}");
    text_add(text, "\n}\n");
}

/* One sample: keepwarm_NAME SUFFIX {pid, exe, mode, arm, LABEL="VALUE"} NUMBER. */
static void sample(const struct report *report, struct text *text, const char *name, const char *suffix,
                   const char *label, const char *value, uint64_t number)
{
    text_add(text, "keepwarm_");
    text_add(text, name);
    text_add(text, suffix);
    text_add(text, "{pid=\"");
    text_add_number(text, (uint64_t)report->pid);
    text_add(text, "\",exe=");
    text_add_quoted(text, report->exe);
    text_add(text, ",mode=");
    text_add_quoted(text, report->mode);
    text_add(text, ",arm=");
    text_add_quoted(text, report->arm);
    if (label) {
        text_add(text, ",");
        text_add(text, label);
        text_add(text, "=");
        text_add_quoted(text, value);
    }
    text_add(text, "} ");
    text_add_number(text, number);
    text_add(text, "\n");
}

static void head(struct text *text, const char *name, const char *type, const char *help)
{
    text_add(text, "# TYPE keepwarm_");
    text_add(text, name);
    text_add(text, " ");
    text_add(text, type);
    text_add(text, "\n# HELP keepwarm_");
    text_add(text, name);
    text_add(text, " ");
    text_add(text, help);
    text_add(text, "\n");
}

static void openmetrics_rules(const struct report *report, struct text *text)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } rows[] = {
        {"rule_matched", "calls of which the rule matched some", offsetof(struct rule_counters, matched)},
        {"rule_served", "calls of which the rule served some", offsetof(struct rule_counters, served)},
        {"rule_forwarded", "calls the rule matched but did not serve",
         offsetof(struct rule_counters, forwarded)},
    };
    for (unsigned row = 0; row < sizeof rows / sizeof *rows; row++) {
        head(text, rows[row].name, "counter", rows[row].help);
        for (unsigned i = 0; i < report->rules->count; i++) {
            const char *rule = (const char *)&report->counters.rule[i];
            uint64_t number;
            memcpy(&number, rule + rows[row].offset, sizeof number);
            sample(report, text, rows[row].name, "_total", "rule", report->rules->rule[i].text, number);
        }
    }
    head(text, "rule_kept_bytes", "gauge", "bytes the rule's resets left resident");
    for (unsigned i = 0; i < report->rules->count; i++)
        sample(report, text, "rule_kept_bytes", "", "rule", report->rules->rule[i].text,
               report->kept_by_rule[i]);
}

/* The ratios are left to whoever reads these. */
static void openmetrics_pairs(const struct report *report, struct text *text)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } rows[] = {
        {"ab_calls", "mode=ab: calls in the measured slices of an arm", offsetof(struct slice, calls)},
        {"ab_ns", "mode=ab: how long those slices were", offsetof(struct slice, ns)},
        {"ab_cpu_ns", "mode=ab: CPU time of the process in those slices", offsetof(struct slice, cpu_ns)},
    };
    for (unsigned row = 0; report->pairs && row < sizeof rows / sizeof *rows; row++) {
        head(text, rows[row].name, "counter", rows[row].help);
        for (enum arm arm = ARM_OFF; arm < ARMS; arm++) {
            const char *total = (const char *)&report->pairs->total[arm];
            uint64_t number;
            memcpy(&number, total + rows[row].offset, sizeof number);
            sample(report, text, rows[row].name, "_total", "slices", arm == ARM_ON ? "on" : "off", number);
        }
    }
}

static void openmetrics_sites(const struct report *report, struct text *text)
{
    unsigned count = objects_of(report->sites);
    for (unsigned kind = 0; kind < SITE_KINDS; kind++) {
        char name[32];
        struct text family;
        text_start(&family, name, sizeof name);
        text_add(&family, "sites_");
        text_add(&family, site_kind[kind].name);
        head(text, name, "gauge", site_kind[kind].text);
        for (unsigned i = 0; i < count && has_room(text); i++) {
            const struct hooks_object *o = &report->sites->object[i];
            sample(report, text, name, "", "object", o->path, site_count(o, kind));
        }
    }
}

void statistics_openmetrics(const struct report *report, struct text *text)
{
    head(text, "calls", "counter", "MADV_DONTNEED calls: served and forwarded");
    sample(report, text, "calls", "_total", NULL, NULL, calls_of(&report->counters));
    for (enum counter counter = 0; counter < COUNTER_COUNT; counter++) {
        head(text, counter_name(counter), "counter", counter_text(counter));
        sample(report, text, counter_name(counter), "_total", NULL, NULL, report->counters.counter[counter]);
    }
    head(text, "declined", "counter", "forwarded calls by reason");
    for (enum reason reason = 0; reason < REASON_COUNT; reason++)
        sample(report, text, "declined", "_total", "reason", reason_name(reason),
               report->counters.declined[reason]);
    head(text, "kept_bytes", "gauge", "bytes that resets left resident");
    sample(report, text, "kept_bytes", "", NULL, NULL, report->kept);
    head(text, "kept_bytes_peak", "gauge", "the most there ever were");
    sample(report, text, "kept_bytes_peak", "", NULL, NULL, report->kept_peak);
    if (report->cpu_ns) {
        head(text, "cpu_ns", "counter", "CPU time of the process, in nanoseconds");
        sample(report, text, "cpu_ns", "_total", NULL, NULL, report->cpu_ns);
    }
    openmetrics_rules(report, text);
    openmetrics_pairs(report, text);
    openmetrics_sites(report, text);
    text_add(text, "# EOF\n");
}

static void line(struct text *text, const char *name, uint64_t number)
{
    text_add(text, "  ");
    text_add(text, name);
    for (size_t column = strlen(name); column < 20; column++)
        text_add(text, " ");
    text_add_number(text, number);
    text_add(text, "\n");
}

static void text_sites(const struct sites *sites, struct text *text)
{
    unsigned objects = objects_of(sites);
    unsigned left = sites ? __atomic_load_n(&sites->left_count, __ATOMIC_ACQUIRE) : 0;
    for (unsigned i = 0; i < objects && has_room(text); i++) {
        text_add(text, "  sites of ");
        text_add(text, sites->object[i].path);
        for (unsigned kind = 0; kind < SITE_KINDS; kind++) {
            text_add(text, kind ? ", " : ": ");
            text_add(text, site_kind[kind].name);
            text_add(text, " ");
            text_add_number(text, site_count(&sites->object[i], kind));
        }
        text_add(text, "\n");
    }
    for (unsigned i = 0; i < left && has_room(text); i++) {
        const struct hooks_unpatched *place = &sites->left[i];
        text_add(text, "  left alone: ");
        text_add(text, place->kind);
        text_add(text, " at 0x");
        text_add_hex(text, place->address);
        text_add(text, " of ");
        text_add(text, place->path);
        text_add(text, ": ");
        text_add(text, place->reason);
        text_add(text, ", ");
        text_add(text, place->text);
        text_add(text, "\n");
    }
}

void statistics_text(const struct report *report, struct text *text)
{
    text_add(text, "keepwarm: pid ");
    text_add_number(text, (uint64_t)report->pid);
    text_add(text, ", ");
    text_add(text, report->exe);
    text_add(text, ", mode ");
    text_add(text, report->mode);
    text_add(text, "\n");
    line(text, "calls", calls_of(&report->counters));
    for (enum counter counter = 0; counter < COUNTER_COUNT; counter++)
        line(text, counter_name(counter), report->counters.counter[counter]);
    line(text, "kept_bytes", report->kept);
    line(text, "kept_bytes_peak", report->kept_peak);
    if (report->uncounted)
        text_add(text, "  not all: calls under seccomp or in a chroot were counted nowhere\n");
    for (enum reason reason = 0; reason < REASON_COUNT; reason++)
        if (report->counters.declined[reason]) {
            text_add(text, "  declined ");
            text_add_number(text, report->counters.declined[reason]);
            text_add(text, ": ");
            text_add(text, reason_name(reason));
            text_add(text, ", ");
            text_add(text, reason_text(reason));
            text_add(text, "\n");
        }
    for (unsigned i = 0; i < report->rules->count; i++) {
        text_add(text, "  rule ");
        text_add(text, report->rules->rule[i].text);
        text_add(text, ": served ");
        text_add_number(text, report->counters.rule[i].served);
        text_add(text, " of ");
        text_add_number(text, report->counters.rule[i].matched);
        text_add(text, "\n");
    }
    if (report->pairs)
        pairs_text(report->pairs, text);
    text_sites(report->sites, text);
}

bool statistics_path(const char *pattern, int pid, const char *exe, char *path, size_t size)
{
    struct text text;
    text_start(&text, path, size);
    for (; *pattern; pattern++) {
        if (pattern[0] == '%' && pattern[1] == 'p') {
            text_add_number(&text, (uint64_t)pid);
            pattern++;
        } else if (pattern[0] == '%' && pattern[1] == 'e') {
            text_add(&text, exe);
            pattern++;
        } else {
            text_add_span(&text, pattern, 1);
        }
    }
    return !text.full;
}
