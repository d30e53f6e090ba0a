/* What a run has shown: each row of the kernel's table, each reason of the library, and the library's totals.
 */
#include <stdio.h>

#include "place.h"
#include "run.h"

#define ENOUGH 1000
#define FULL_RUN 1000000 /* operations from which on every row and reason must have been reached */

static const struct {
    const char *name, *text;
    enum facility needs;
} rows[ROW_COUNT] = {
#define ROW(name, needs, text) {#name, text, HAS_##needs},
    ROWS(ROW)
#undef ROW
};

static const char *lack_of(enum facility facility, unsigned long machine)
{
    return machine >> facility & 1 ? NULL : facility_lack(facility);
}

/* Why a reason cannot be brought about here, or NULL. */
static const char *unreachable(unsigned reason, unsigned long machine)
{
    if (lack_of(HAS_PAGEMAP_SCAN, machine))
        return facility_lack(HAS_PAGEMAP_SCAN);
    switch (reason) {
#define REASON(name, why)                                                                                    \
    case NUMBER_OF_##name:                                                                                   \
        return why;
        UNREACHABLE_REASONS(REASON)
#undef REASON
#define REASON(name, needs, more)                                                                            \
    case NUMBER_OF_##name:                                                                                   \
        return lack_of(machine >> HAS_##needs & 1 ? HAS_##more : HAS_##needs, machine);
        NEEDY_REASONS(REASON)
#undef REASON
    default:
        return NULL;
    }
}

/* One line of a table; false if the count falls short in a run that must be complete. */
static bool print_line(const char *name, const char *text, unsigned long count, const char *lack,
                       bool complete)
{
    bool enough = count >= ENOUGH || lack;
    if (lack && count == 0)
        printf("  %-18s %12s  skipped: %s\n", name, "-", lack);
    else
        printf("  %-18s %12lu  %s%s\n", name, count, complete && !enough ? "TOO FEW: " : "", text);
    return enough || !complete;
}

static bool print_rows(const struct run *run, bool complete)
{
    bool fine = true;
    printf("\nrows of the kernel's table            (resets; at least %d in a full run)\n", ENOUGH);
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        const char *lack = lack_of(rows[i].needs, run->machine);
        fine &= print_line(rows[i].name, rows[i].text, run->rows[i], lack, complete);
    }
    return fine;
}

static bool print_reasons(const struct run *run, const struct totals *totals, bool complete)
{
    static const char *const texts[] = {
#define REASON(name, text) text,
        REASONS(REASON)
#undef REASON
    };
    bool fine = true;
    printf("\nreasons for declining, as the library counts them\n");
    for (unsigned i = 0; i < REASON_COUNT; i++)
        fine &=
            print_line(reason_name(i), texts[i], totals->declined[i], unreachable(i, run->machine), complete);
    return fine;
}

/* Without PAGEMAP_SCAN, and in some places, nothing can be served, and that is right. */
static bool serves(const struct run *run)
{
    return run->options.place == PLACE_none && (run->machine >> HAS_PAGEMAP_SCAN & 1);
}

/* Percent of a group's resets. Without PROCMAP_QUERY only anonymous memory is served, a part of what groups
 * use. */
static unsigned least_served(const struct run *run, const struct group *group)
{
    unsigned share = run->machine >> HAS_PROCMAP_QUERY & 1 ? 1 : 4;
    return serves(run) ? group->must_serve / share : 0;
}

static bool print_groups(const struct run *run)
{
    bool fine = true;
    printf("\ngroups of episodes      resets        calls       served    forwarded\n");
    for (unsigned i = 0; i < group_count(); i++) {
        const struct group *group = group_at(i);
        const struct totals *totals = &run->groups[i];
        unsigned long resets = run->group_resets[i];
        unsigned need = least_served(run, group);
        bool idle = resets >= ENOUGH && totals->served * 100 < resets * need;
        if (resets == 0)
            continue;
        printf("  %-16s %11lu %12lu %12lu %12lu", group->name, resets, totals->calls, totals->served,
               totals->forwarded);
        if (idle)
            printf("  TOO FEW SERVED: expected at least %u%%", need);
        printf("\n");
        fine &= !idle;
    }
    return fine;
}

static bool print_library(const struct run *run, bool complete)
{
    struct totals all = {0};
    for (unsigned i = 0; i < group_count(); i++)
        totals_add(&all, &run->groups[i]);
    bool fine = print_reasons(run, &all, complete);
    fine &= print_groups(run);
    printf("\nlibrary: %lu calls in %lu processes, %lu served, %lu forwarded, %lu verify differences\n",
           all.calls, all.processes, all.served, all.forwarded, all.verify_differences);
    if (all.served == 0 && serves(run) && run->options.episode < 0) {
        printf("FAILED: the library served nothing (is %s preloaded?)\n", run->options.library);
        fine = false;
    }
    return fine;
}

bool report_print(const struct run *run)
{
    bool complete = run->options.operations >= FULL_RUN && run->options.episode < 0 && !run->options.place;
    bool fine = print_rows(run, complete);
    if (!run->options.plain)
        fine &= print_library(run, complete);
    printf("%lu operations in %lu episodes, %lu resets compared, %.1f s, %.0f operations/s, seed %lu%s%s\n",
           run->operations, run->episodes, run->resets, run->seconds, (double)run->operations / run->seconds,
           run->options.seed, run->options.place ? ", place " : "",
           run->options.place ? place_name(run->options.place) : "");
    return fine;
}
