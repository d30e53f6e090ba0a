/* keepwarm stats PID|FILE: the counters of a running process, or of a live or statistics file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/arguments.h"
#include "command/file.h"
#include "command/live_file.h"
#include "command/statistics_file.h"

const char program_name[] = "keepwarm stats";

static const char usage[] = "usage: keepwarm stats [--json | --prom] PID|FILE\n"
                            "Prints what keepwarm counted in process PID, or in the process that wrote FILE: "
                            "a live file (live=), also of a\n"
                            "process that was killed, or a statistics file (stats=). A name of digits only "
                            "is a PID; write ./123 for a file.\n"
                            "\n"
                            "  --json  as JSON: a document of schema keepwarm-stats/1\n"
                            "  --prom  as OpenMetrics\n"
                            "  --help  this text\n"
                            "\n"
                            "Exit status: 0, or 125 when the counters cannot be read.\n";

enum form { FORM_ANY, FORM_TEXT = 't', FORM_JSON = 'j', FORM_PROM = 'p' };

static bool starts_with(const char *bytes, const char *words)
{
    return strncmp(bytes, words, strlen(words)) == 0;
}

/* The library's JSON, with what another process found under mode=ab in its place. */
static void print_json(const struct text *text, json_t *ab)
{
    json_t *root = json_loadb(text->bytes, text->length, 0, NULL);
    json_object_set(root, "ab", ab);
    json_dumpf(root, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(root);
}

/* A line for each verdict: its words, and its interval when there is one. */
static void print_verdicts(const json_t *ab)
{
    const char *name;
    json_t *verdict;
    json_object_foreach((json_t *)ab, name, verdict)
    {
        const char *words = json_string_value(json_object_get(verdict, "words"));
        const json_t *low = json_object_get(verdict, "low"), *high = json_object_get(verdict, "high");
        if (!words)
            continue;
        printf("  ab, %s, on/off: ", name);
        if (low && high)
            printf("%.3f (%.3f to %.3f, %lld pairs): ", json_number_value(json_object_get(verdict, "median")),
                   json_number_value(low), json_number_value(high),
                   json_integer_value(json_object_get(verdict, "pairs")));
        printf("%s\n", words);
    }
}

static int print_statistics(struct statistics *statistics, enum form form)
{
    static char bytes[1 << 20];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    if (form == FORM_JSON)
        statistics_json(&statistics->report, &text);
    else if (form == FORM_PROM) {
        statistics_take_slices(statistics);
        statistics_openmetrics(&statistics->report, &text);
    } else
        statistics_text(&statistics->report, &text);
    if (form == FORM_JSON && statistics->ab)
        print_json(&text, statistics->ab);
    else
        fwrite(text.bytes, 1, text.length, stdout);
    if (form != FORM_JSON && form != FORM_PROM)
        print_verdicts(statistics->ab);
    return finish_output(0);
}

/* A file that is in a form for readers already: it is shown as it is. */
static int print_as_it_is(const char *path, const char *bytes, size_t length, enum form is, enum form wanted)
{
    if (wanted != FORM_ANY && wanted != is)
        return failure("%s: %s already: --json and --prom want a live file or a .json file", path,
                       is == FORM_PROM   ? "OpenMetrics"
                       : is == FORM_JSON ? "JSON"
                                         : "text");
    fwrite(bytes, 1, length, stdout);
    return finish_output(0);
}

static int print_bytes(const char *path, const char *bytes, size_t length, enum form form)
{
    static struct statistics statistics;
    if (starts_with(bytes, "# TYPE keepwarm_"))
        return print_as_it_is(path, bytes, length, FORM_PROM, form);
    if (starts_with(bytes, "keepwarm: pid "))
        return print_as_it_is(path, bytes, length, FORM_TEXT, form);
    bool is_live = starts_with(bytes, "keepwarm-live/");
    if (!is_live && bytes[strspn(bytes, " \n")] != '{')
        return failure("%s: neither a live file nor statistics of keepwarm", path);
    const char *problem =
        is_live ? live_read(bytes, length, &statistics) : statistics_read_json(bytes, length, &statistics);
    if (problem)
        return failure("%s: %s", path, problem);
    if (!is_live && form == FORM_JSON)
        return print_as_it_is(path, bytes, length, FORM_JSON, form);
    if (is_live && !live_is_running(statistics.report.pid, statistics.report.exe))
        failure("%s: process %d is gone: these are its last numbers", path, statistics.report.pid);
    return print_statistics(&statistics, form);
}

static int print_file(const char *path, enum form form)
{
    size_t length;
    char *bytes = file_read(path, &length);
    if (!bytes)
        return failure("%s: %s", path, strerror(errno));
    int status = print_bytes(path, bytes, length, form);
    free(bytes);
    return status;
}

static int print_process(int pid, enum form form)
{
    static struct target target;
    int error = target_find(pid, &target);
    if (error)
        return error;
    const char *path = *target.live ? target.live : target.stats;
    if (!*path)
        return failure("process %d has no live file: start it with keepwarm run -o live=/dev/shm/%%p.live",
                       pid);
    return print_file(path, form);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, FORM_JSON},
                                            {"prom", no_argument, NULL, FORM_PROM},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    enum form form = FORM_ANY;
    for (int option; (option = next_option(argc, argv, options, usage)) != -1;)
        form = (enum form)option;
    if (argc - optind != 1)
        return failure("give one PID or FILE; --help tells more");
    int pid = parse_pid(argv[optind]);
    return pid >= 0 ? print_process(pid, form) : print_file(argv[optind], form);
}
