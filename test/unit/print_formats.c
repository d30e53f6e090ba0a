/* Prints a report in the format that is asked for, with rules from the command line: for test/unit/formats.
 */
#include "shim/observations.h"
#include "shim/statistics_format.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static struct report report;
    static struct rules rules;
    static struct problems problems;
    static char bytes[1 << 16];
    struct text text;
    if (argc != 4)
        return 2;
    problems_start(&problems);
    rules_parse(&rules, (struct span){argv[2], strlen(argv[2])}, false, 4096, &problems);
    report = (struct report){.pid = 7, .exe = argv[3], .mode = "on", .arm = "on", .rules = &rules};
    report.observed = true;
    uint64_t amounts[OBSERVED_COUNT] = {[OBSERVED_calls] = 1};
    uint8_t name = observed_name(argv[3]);
    observed_add((struct observed_key){name, name, 12, REASON_COUNT}, amounts);
    observed_add((struct observed_key){name, name, 12, REASON_locked}, amounts);
    for (enum reason reason = 0; reason < REASON_COUNT; reason++)
        report.counters.declined[reason] = 1 + reason;
    struct pairs pairs = {0};
    for (unsigned i = 0; i < PAIRS_LEAST; i++)
        pairs_add(&pairs, (struct slice[ARMS]){{1, 2, 3}, {4, 5, 6}});
    report.pairs = &pairs;
    report.cpu_ns = 5;
    text_start(&text, bytes, sizeof bytes);
    (strcmp(argv[1], "json") == 0 ? statistics_json : statistics_openmetrics)(&report, &text);
    return fwrite(bytes, 1, text.length, stdout) != text.length || text.full;
}
