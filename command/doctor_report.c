#include "config.h"

#include "command/doctor.h"

#include <stdarg.h>
#include <string.h>
#include <sys/utsname.h>

#include "shim/text.h"

enum { LINE_WIDTH = 80, INDENT = 26 };

static const char *const status_names[] = {"ok", "warning", "problem"};

struct row *report_add(struct report *report, const char *name, enum status status, const char *format, ...)
{
    static struct row spare; /* a full table loses rows, never memory */
    struct row *row = report->count < ROWS_MOST ? &report->row[report->count++] : &spare;
    va_list arguments;
    va_start(arguments, format);
    *row = (struct row){.name = name, .status = status};
    vsnprintf(row->found, sizeof row->found, format, arguments);
    va_end(arguments);
    return row;
}

void row_remedy(struct row *row, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row->remedy, sizeof row->remedy, format, arguments);
    va_end(arguments);
}

static unsigned problems_of(const struct report *report)
{
    unsigned problems = 0;
    for (unsigned i = 0; i < report->count; i++)
        problems += report->row[i].status == STATUS_PROBLEM;
    return problems;
}

bool report_has_problem(const struct report *report)
{
    return problems_of(report) > 0;
}

/* Words from column `column` on, wrapped so that later lines begin at INDENT. */
static void print_wrapped(FILE *to, const char *words, int column)
{
    while (*words) {
        int length = (int)strcspn(words, " ");
        if (column > INDENT && column + 1 + length > LINE_WIDTH) {
            fprintf(to, "\n%*s", INDENT, "");
            column = INDENT;
        } else if (column > INDENT) {
            fputc(' ', to);
            column++;
        }
        fprintf(to, "%.*s", length, words);
        column += length;
        words += length + (words[length] == ' ');
    }
    fputc('\n', to);
}

void report_print(const struct report *report, FILE *to)
{
    struct utsname machine = {0};
    uname(&machine);
    fprintf(to, "keepwarm %s on Linux %s, %s\n\n", PACKAGE_VERSION, machine.release, machine.machine);
    for (unsigned i = 0; i < report->count; i++) {
        const struct row *row = &report->row[i];
        fprintf(to, "%-8s %-16s ", status_names[row->status], row->name);
        print_wrapped(to, row->found, INDENT);
        if (row->remedy[0]) {
            fprintf(to, "%*s", INDENT, "-> ");
            print_wrapped(to, row->remedy, INDENT);
        }
    }
    unsigned problems = problems_of(report);
    if (problems)
        fprintf(to, "\nkeepwarm can do nothing here: %u problem%s\n", problems, problems == 1 ? "" : "s");
    else
        fprintf(to, "\nkeepwarm can be used here\n");
}

static void print_string(FILE *to, const char *words)
{
    char bytes[8192];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    text_add_quoted(&text, words);
    fputs(text.full ? "\"?\"" : bytes, to);
}

static void print_strings(FILE *to, char *const *words)
{
    const char *separator = "[";
    for (; *words; words++, separator = ", ") {
        fputs(separator, to);
        print_string(to, *words);
    }
    fputs("]", to);
}

void report_print_json(const struct report *report, char *const *command, FILE *to)
{
    struct utsname machine = {0};
    uname(&machine);
    fprintf(to, "{\"schema\": \"keepwarm-doctor/1\", \"version\": \"%s\",\n \"kernel\": ", PACKAGE_VERSION);
    print_string(to, machine.release);
    fprintf(to, ", \"machine\": ");
    print_string(to, machine.machine);
    fprintf(to, ",\n \"command\": ");
    if (command)
        print_strings(to, command);
    else
        fputs("null", to);
    fprintf(to, ", \"hooks\": \"%s\", \"usable\": %s,\n \"rows\": [", report->hooks,
            report_has_problem(report) ? "false" : "true");
    for (unsigned i = 0; i < report->count; i++) {
        const struct row *row = &report->row[i];
        fprintf(to, "%s\n  {\"name\": \"%s\", \"status\": \"%s\", \"found\": ", i ? "," : "", row->name,
                status_names[row->status]);
        print_string(to, row->found);
        fprintf(to, ", \"remedy\": ");
        print_string(to, row->remedy);
        fputc('}', to);
    }
    fputs("\n ]}\n", to);
}
