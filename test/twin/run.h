/* A whole run: episodes two at a time, each in a process of its own, and what they add up to. */
#ifndef TWIN_RUN_H
#define TWIN_RUN_H

#include "groups.h"
#include "totals.h"
#include "twin.h"

#define GROUPS_MAX 64

struct options {
    const char *program; /* as it was called */
    const char *library; /* NULL with plain */
    unsigned long seed, operations;
    long episode; /* -1: all */
    int place;
    bool plain, verbose;
};

struct run {
    struct options options;
    unsigned long machine;
    char folder[100];
    unsigned long operations, resets, episodes, failures;
    unsigned long rows[ROW_COUNT];
    unsigned long group_resets[GROUPS_MAX];
    struct totals groups[GROUPS_MAX];
    double seconds;
};

/* False: an episode failed, and was told with the command that repeats it. */
bool run_episodes(struct run *run);
/* The process of one episode, after exec: `child` is what run_episodes put into TWIN_CHILD. */
void run_child(const struct options *options, const char *child);

/* report.c: prints what was covered; false if that is not enough. */
bool report_print(const struct run *run);

#endif
