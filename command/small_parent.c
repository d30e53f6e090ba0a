/* Starts a command for keepwarm-ab, and ends: small-parent COUNT [VARIABLE=VALUE]... -- COMMAND...

   The most memory that a process ever had (ru_maxrss) counts what it was before exec, be it by fork or vfork:
   a part of keepwarm-ab, whose interpreter is larger than many a command. So this starts it, at the price of
   a floor of its own 1 to 2 MiB, which a command that loads libc has too. keepwarm-ab adopts the orphan.

   COMMAND gets a session and the COUNT variables, and nothing of the environment here, in which the library
   must not be preloaded. Descriptor 3 gets "ERROR PID SECONDS": an errno or 0, and CLOCK_MONOTONIC at the
   start. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPORT = 3, STATUS_FAILURE = 125 };

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : -1;
    if (count < 0 || count > argc - 4 || strcmp(argv[2 + count], "--") != 0) {
        fputs("keepwarm: small-parent is for keepwarm ab alone\n", stderr);
        return STATUS_FAILURE;
    }
    char **environment = argv + 2, **command = environment + count + 1;
    environment[count] = NULL;

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    fcntl(REPORT, F_SETFD, FD_CLOEXEC);
    struct timespec start;
    pid_t pid = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int error = posix_spawnp(&pid, command[0], NULL, &attributes, command, environment);
    return dprintf(REPORT, "%d %d %lld.%09ld", error, (int)pid, (long long)start.tv_sec, start.tv_nsec) < 0;
}
