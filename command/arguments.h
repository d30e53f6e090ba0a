/* How every subcommand written in C reads its options, and ends: one line for what went wrong, status 125. */
#ifndef COMMAND_ARGUMENTS_H
#define COMMAND_ARGUMENTS_H

#include <getopt.h>
#include <stddef.h>

enum { OWN_FAILURE = 125 }; /* keepwarm's own; 126 and 127 are for a command that cannot be started */

/* What messages start with: "keepwarm SUB". Each program defines its own. */
extern const char program_name[];

/* The next long option's val, or -1 when there is none left; optind is then the first argument that is no
   option. options must hold {"help", no_argument, NULL, 'h'}: --help prints usage and exits. A bad option is
   named, with the known one that is most like it, and exits with OWN_FAILURE. */
int next_option(int argc, char **argv, const struct option *options, const char *usage);

/* Prints `NAME: WORDS` to standard error and returns OWN_FAILURE. */
int failure(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* status, or OWN_FAILURE with one line when standard output could not be written. */
int finish_output(int status);

/* The one of known (NULL-terminated by .name) that is most like word, or NULL when none is. Pure. */
const char *nearest_option(const char *word, const struct option *known);

#endif
