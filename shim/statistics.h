/* The counters as a file: JSON, OpenMetrics or text by the file's ending, rewritten by rename. */
#ifndef SHIM_STATISTICS_H
#define SHIM_STATISTICS_H

#include "shim/counters.h"
#include "shim/live.h"
#include "shim/state.h"
#include "shim/text.h"

/* Everything a report needs. Pure to format. */
struct report {
    int pid;
    const char *exe, *mode, *arm;
    const struct rules *rules;
    struct counters counters;
    uint64_t kept, kept_peak, kept_by_rule[RULES_MAX]; /* bytes */
};

void statistics_json(const struct report *report, struct text *text);
void statistics_openmetrics(const struct report *report, struct text *text);
void statistics_text(const struct report *report, struct text *text);

/* Puts %p (pid) and %e (base name of the executable) into a path. False when it does not fit. */
bool statistics_path(const char *pattern, int pid, const char *exe, char *path, size_t size);

/* Remembers which executable this is. */
void statistics_start(const char *exe);

/* Writes the statistics if they were asked for and belong to this process; to stderr only at_end. Signal-safe. */
void statistics_write(bool at_end);

/* Every 10 s or so rewrites the file and lets unused images go; after the destructors have run, rewrites it
   each time, as no later moment is known to come. */
void statistics_now_and_then(void);

/* To be called after every call. now_and_then: this is one of the few that may look at the clock. */
static inline void statistics_after_call(bool now_and_then)
{
    if (process.live >= 0)
        live_publish();
    if (now_and_then || process.finished)
        statistics_now_and_then();
}

/* In a fork child: frees a lock that another thread of the parent may have held. */
void statistics_forget_lock(void);

const char *statistics_exe(void);

#endif
