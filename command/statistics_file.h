/* Statistics as they are read from a file: what the formatters of shim/statistics_format.h print. */
#ifndef COMMAND_STATISTICS_FILE_H
#define COMMAND_STATISTICS_FILE_H

#include <jansson.h>
#include <stddef.h>

#include "shim/statistics_format.h"

enum { STATISTICS_TEXT = 1 << 16 };

/* A report, and what it points into. Large: one, static. */
struct statistics {
    struct report report;
    struct rules rules;
    struct sites sites;
    json_t *ab;         /* what mode=ab has found, as the library writes it; NULL when there is nothing */
    struct pairs pairs; /* its totals alone: statistics_take_slices */
    struct text text;   /* of its strings, each terminated */
    char bytes[STATISTICS_TEXT];
};

/* Makes it empty; what it held is not freed. */
void statistics_start(struct statistics *statistics);

/* Keeps a copy of a string, cut short when there is no more room. */
const char *statistics_keep(struct statistics *statistics, const char *words);

/* Adds a rule of this text, and returns its number, or -1 past the last. */
int statistics_add_rule(struct statistics *statistics, const char *rule);

/* The counter or reason of this name, or -1: files of other versions have some that this one has not. */
int counter_of(const char *name);
int reason_of(const char *name);

/* Puts the totals of `ab` where statistics_openmetrics wants them. Its verdicts rest on pairs, which no file
 * tells. */
void statistics_take_slices(struct statistics *statistics);

/* Reads a JSON file of the library's. Returns NULL, or what is wrong with it; valid until the next call. */
const char *statistics_read_json(const char *bytes, size_t length, struct statistics *statistics);

#endif
