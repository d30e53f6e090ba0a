#include "shim/problems.h"

#include <string.h>

void problems_start(struct problems *problems)
{
    problems->count = 0;
    text_start(&problems->lines, problems->bytes, sizeof problems->bytes);
}

/* A setting must not be able to write lines of its own. */
static void add_visibly(struct text *lines, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        text_add_span(lines, (unsigned char)bytes[i] < ' ' || bytes[i] == 127 ? "?" : &bytes[i], 1);
}

void problems_add(struct problems *problems, const char *variable, struct span shown, const char *what)
{
    struct text *lines = &problems->lines;
    size_t before = lines->length;
    text_add(lines, "keepwarm: ");
    text_add(lines, variable);
    text_add(lines, ": ");
    add_visibly(lines, shown.start, shown.length < PROBLEM_SHOWN ? shown.length : PROBLEM_SHOWN);
    text_add(lines, shown.length > PROBLEM_SHOWN ? "...: " : ": ");
    add_visibly(lines, what, strlen(what));
    text_add(lines, "\n");
    /* Only whole lines. */
    if (lines->full) {
        lines->length = before;
        lines->bytes[before] = 0;
    }
    problems->count++;
}
