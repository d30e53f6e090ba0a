#include "shim/problems.h"

void problems_start(struct problems *problems)
{
    problems->count = 0;
    text_start(&problems->lines, problems->bytes, sizeof problems->bytes);
}

void problems_add(struct problems *problems, const char *variable, struct span shown, const char *what)
{
    struct text *lines = &problems->lines;
    size_t before = lines->length;
    text_add(lines, "keepwarm: ");
    text_add(lines, variable);
    text_add(lines, ": ");
    for (size_t i = 0; i < shown.length && i < PROBLEM_SHOWN; i++) {
        char byte = shown.start[i];
        text_add_span(lines, byte < ' ' || byte == 127 ? "?" : &byte, 1);
    }
    text_add(lines, shown.length > PROBLEM_SHOWN ? "...: " : ": ");
    text_add(lines, what);
    text_add(lines, "\n");
    /* Only whole lines. */
    if (lines->full) {
        lines->length = before;
        lines->bytes[before] = 0;
    }
    problems->count++;
}
