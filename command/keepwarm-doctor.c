/* keepwarm doctor [-- CMD...]: what this kernel, this container and CMD support, and what to do about the
 * rest. */
#include "command/arguments.h"
#include "command/doctor.h"

const char program_name[] = "keepwarm doctor";

static const char usage[] =
    "usage: keepwarm doctor [--json] [--] [CMD [ARGUMENT]...]\n"
    "Tells what this kernel, this container and CMD support, and what to do about what they do not.\n"
    "CMD is looked at, not run.\n"
    "\n"
    "  --json  one JSON document instead of a table\n"
    "  --help  this text\n"
    "\n"
    "Exit status: 0 keepwarm can be used, 1 it cannot, 126 CMD cannot be executed, 127 CMD is not found,\n"
    "125 when keepwarm doctor itself fails.\n";

static int examine(char *const *command, bool json)
{
    static struct report report;
    doctor_kernel(&report);
    doctor_machine(&report);
    doctor_library(&report);
    int missing = command ? doctor_program(&report, command) : 0;
    if (json)
        report_print_json(&report, command, stdout);
    else
        report_print(&report, stdout);
    if (missing)
        failure("%s: %s", command[0], missing == EXIT_NOT_FOUND ? "not found" : "cannot be executed");
    return missing ? missing : report_has_problem(&report);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            /* what the trial runs under the library */
                                            {"reset", no_argument, NULL, 'r'},
                                            {0}};
    bool json = false;
    for (int code; (code = next_option(argc, argv, options, usage)) != -1;) {
        if (code == 'r')
            return !doctor_reset_is_served();
        json = true;
    }
    return finish_output(examine(optind < argc ? argv + optind : NULL, json));
}
