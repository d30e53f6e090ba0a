#include "command/arguments.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MOST = 32 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be added, left out or changed to make one of the other (Levenshtein). */
static size_t distance(const char *from, const char *to)
{
    size_t row[WORD_MOST + 1], length = strnlen(to, WORD_MOST);
    for (size_t i = 0; i <= length; i++)
        row[i] = i;
    for (size_t done = 1; *from; from++, done++) {
        size_t diagonal = row[0];
        row[0] = done;
        for (size_t i = 1; i <= length; i++) {
            size_t changed = diagonal + (to[i - 1] != *from);
            diagonal = row[i];
            row[i] = least(changed, 1 + least(row[i], row[i - 1]));
        }
    }
    return row[length];
}

const char *nearest_option(const char *word, const struct option *known)
{
    const char *nearest = NULL;
    size_t smallest = strlen(word) / 2 + 1; /* at least half of it is right */
    for (; known->name; known++) {
        size_t letters = distance(word, known->name);
        if (letters < smallest) {
            smallest = letters;
            nearest = known->name;
        }
    }
    return nearest;
}

int failure(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    return OWN_FAILURE;
}

int finish_output(int status)
{
    if (fflush(stdout) || ferror(stdout))
        return failure("standard output: %s", strerror(errno));
    return status;
}

/* Says what is wrong with the option that getopt_long has just refused. */
static _Noreturn void refuse(const char *word, const struct option *options)
{
    char name[WORD_MOST];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const char *meant = strncmp(name, "--", 2) ? NULL : nearest_option(name + 2, options);
    if (meant && strcmp(meant, name + 2) == 0)
        exit(failure("%s: takes %s value; --help tells more", name, strchr(word, '=') ? "no" : "a"));
    exit(failure("no option %s%s%s%s; --help tells more", name, meant ? ": did you mean --" : "",
                 meant ? meant : "", meant ? "?" : ""));
}

int next_option(int argc, char **argv, const struct option *options, const char *usage)
{
    opterr = 0;
    int at = optind;
    int option = getopt_long(argc, argv, "", options, NULL);
    if (option == '?') {
        /* Options may come after other arguments, which getopt_long moves: the one refused is just behind. */
        refuse(argv[optind > at ? optind - 1 : at], options);
    }
    if (option == 'h') {
        fputs(usage, stdout);
        exit(finish_output(0));
    }
    return option;
}
