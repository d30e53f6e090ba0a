/* The counters as JSON, OpenMetrics or text. Pure. */
#ifndef SHIM_STATISTICS_FORMAT_H
#define SHIM_STATISTICS_FORMAT_H

#include "shim/counters.h"
#include "shim/pairs.h"
#include "shim/sites.h"
#include "shim/text.h"

/* Everything a report needs. */
struct report {
    int pid;
    const char *exe, *mode, *arm;
    const struct rules *rules;
    const struct sites *sites;
    bool observed;             /* there are observations to tell */
    const struct pairs *pairs; /* NULL but in mode=ab */
    struct counters counters;
    uint64_t cpu_ns; /* of the process, so far; 0: not known, and left out */
    bool uncounted;  /* of it, or its children, something is not in these figures */
    uint64_t kept, kept_peak, kept_by_rule[RULES_MAX]; /* bytes */
};

void statistics_json(const struct report *report, struct text *text);
void statistics_openmetrics(const struct report *report, struct text *text);
void statistics_text(const struct report *report, struct text *text);

/* Puts %p (pid) and %e (base name of the executable) into a path. False when it does not fit. */
bool statistics_path(const char *pattern, int pid, const char *exe, char *path, size_t size);

#endif
