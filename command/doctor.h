/* keepwarm doctor: what can go wrong, a row for each, and what to do about it. */
#ifndef COMMAND_DOCTOR_H
#define COMMAND_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>

enum status { STATUS_OK, STATUS_WARNING, STATUS_PROBLEM };

struct row {
    const char *name; /* static */
    enum status status;
    char found[512];  /* what there is, in words */
    char remedy[512]; /* what to do; "" when there is nothing to do */
};

enum { ROWS_MOST = 48, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

struct report {
    struct row row[ROWS_MOST];
    unsigned count;
    char hooks[32]; /* what CMD needs in KEEPWARM=hooks=; "" when it is not known */
};

/* Adds a row without a remedy. What is too long is cut. The row is the report's. */
struct row *report_add(struct report *report, const char *name, enum status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void row_remedy(struct row *row, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool report_has_problem(const struct report *report);

/* A table for people, or one JSON document. command is NULL or ends with a NULL. */
void report_print(const struct report *report, FILE *to);
void report_print_json(const struct report *report, char *const *command, FILE *to);

/* What the kernel and its sandbox answer to the questions that the library asks. */
void doctor_kernel(struct report *report);
/* Settings of the machine and of the container: memory accounting, huge pages, limits. */
void doctor_machine(struct report *report);
/* The installed library, and a reset under it. Tries that only when the report has no problem so far. */
void doctor_library(struct report *report);
/* The program in the first of command's words. Returns 0, or EXIT_NOT_FOUND or EXIT_NOT_EXECUTABLE when it
   cannot be run at all. It is not run. */
int doctor_program(struct report *report, char *const *command);
/* What a dynamic program and the libraries it needs do. interpreter: the dynamic linker it asks for. */
void doctor_objects(struct report *report, const char *program, const char *interpreter);

/* Does a reset of a page of this process leave the page there? For doctor_library's child. */
bool doctor_reset_is_served(void);

/* The library: KEEPWARM_LIBRARY, or where it was installed. */
const char *doctor_library_path(void);

#endif
