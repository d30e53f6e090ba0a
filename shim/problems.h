/* What was wrong with the settings: one line each, gathered while they are parsed, printed once. Pure. */
#ifndef SHIM_PROBLEMS_H
#define SHIM_PROBLEMS_H

#include "shim/text.h"

enum { PROBLEMS_TEXT = 4096, PROBLEM_SHOWN = 80 };

struct problems {
    unsigned count;
    struct text lines; /* each ends with a newline */
    char bytes[PROBLEMS_TEXT];
};

void problems_start(struct problems *problems);

/* Adds `keepwarm: VARIABLE: SHOWN: WHAT`. shown is cut to 80 bytes, and its control bytes are shown as ?. */
void problems_add(struct problems *problems, const char *variable, struct span shown, const char *what);

#endif
