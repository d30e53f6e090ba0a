/* keepwarm off PID, keepwarm on PID: two programs from one source; SWITCH_TO is "on" or "off". */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/arguments.h"
#include "command/live_file.h"
#include "shim/live.h"

const char program_name[] = "keepwarm " SWITCH_TO;

static const char switch_byte = SWITCH_TO[1] == 'n' ? '1' : '0';

static const char usage[] = "usage: keepwarm on PID\n"
                            "       keepwarm off PID\n"
                            "Switches keepwarm on or off in a running process, through its live file "
                            "(live=). While it is off, every call goes\n"
                            "to the kernel. It takes effect within 10 ms of the process's next call.\n"
                            "\n"
                            "  --help  this text\n"
                            "\n"
                            "Exit status: 0, or 125 when the process cannot be switched.\n";

/* Is this the live file of that process, and not its parent's or an older one's? */
static int check_owner(int fd, const struct target *target)
{
    char page[4096] = "";
    int version, pid;
    if (pread(fd, page, sizeof page - 1, 0) < 0)
        return failure("%s: %s", target->live, strerror(errno));
    if (sscanf(page, "keepwarm-live/%d pid %d", &version, &pid) != 2 || version != 1)
        return failure("%s: no live file of this version of keepwarm", target->live);
    if (pid != target->own_pid)
        return failure("%s is the live file of process %d: with %%p in its name, each process has its own",
                       target->live, pid);
    return 0;
}

static int switch_process(const struct target *target)
{
    int fd = open(target->live, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return failure("%s: %s", target->live, strerror(errno));
    int status = check_owner(fd, target);
    if (!status && pwrite(fd, &switch_byte, 1, LIVE_SWITCH) != 1)
        status = failure("%s: %s", target->live, strerror(errno));
    close(fd);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
    static struct target target;
    while (next_option(argc, argv, options, usage) != -1)
        ;
    int pid = argc - optind == 1 ? parse_pid(argv[optind]) : -1;
    if (pid < 0)
        return failure("give one PID; --help tells more");
    int status = target_find(pid, &target);
    if (status)
        return status;
    if (!*target.live)
        return failure("process %d has no live file: start it with keepwarm run -o live=/dev/shm/%%p.live",
                       pid);
    status = switch_process(&target);
    if (status)
        return status;
    printf("keepwarm is " SWITCH_TO " in process %d\n", pid);
    return finish_output(0);
}
