#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/arguments.h"
#include "command/doctor.h"
#include "hooks/elf_file.h"
#include "scan/prim.h"

const char *doctor_library_path(void)
{
    const char *path = getenv("KEEPWARM_LIBRARY");
    return path && path[0] ? path : LIBRARY_INSTALLED;
}

bool doctor_reset_is_served(void)
{
    volatile char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char resident = 0;
    if (page == MAP_FAILED)
        return false;
    *page = 1;
    int error = madvise((void *)(uintptr_t)page, PAGE, MADV_DONTNEED);
    mincore((void *)(uintptr_t)page, PAGE, &resident);
    return !error && resident & 1 && *page == 0;
}

/* In the child: this program again, under the library, told to make one reset. */
static void exec_trial(int output)
{
    char preload[4200];
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", doctor_library_path());
    char regions[] = "KEEPWARM_REGIONS=anon", settings[] = "KEEPWARM=strict=1,log=error",
         name[] = "keepwarm-doctor", option[] = "--reset";
    char *const environment[] = {preload, regions, settings, NULL};
    char *const command[] = {name, option, NULL};
    if (dup2(output, 2) == 2)
        execve("/proc/self/exe", command, environment);
    _exit(OWN_FAILURE);
}

/* Returns the trial's wait status, or -1, and what it wrote to stderr, up to size - 1 bytes. */
static int run_trial(char *said, size_t size)
{
    int ends[2], status = -1;
    said[0] = 0;
    if (pipe(ends))
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        exec_trial(ends[1]);
    close(ends[1]);
    size_t length = 0;
    ssize_t count = 1;
    while (pid > 0 && count > 0 && length + 1 < size) {
        count = read(ends[0], said + length, size - 1 - length);
        length += count > 0 ? (size_t)count : 0;
    }
    said[length] = 0;
    said[strcspn(said, "\n")] = 0;
    close(ends[0]);
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static void add_trial(struct report *report)
{
    char said[300];
    int status = run_trial(said, sizeof said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        report_add(report, "trial", STATUS_OK, "a reset under the library was served");
    else if (WIFSIGNALED(status))
        row_remedy(report_add(report, "trial", STATUS_PROBLEM,
                              "a trial under the library was killed by signal %d", WTERMSIG(status)),
                   "This is a defect of keepwarm: please report it");
    else
        row_remedy(report_add(report, "trial", STATUS_PROBLEM, "a trial under the library was not served%s%s",
                              said[0] ? ": " : "", said),
                   "Reinstall keepwarm, or name a library that belongs to this command in KEEPWARM_LIBRARY");
}

void doctor_library(struct report *report)
{
    const char *path = doctor_library_path();
    struct elf_file file;
    int error = elf_file_open(&file, path);
    if (error) {
        row_remedy(report_add(report, "library", STATUS_PROBLEM, "%s: %s", path, elf_error_text(error)),
                   "Run make install, or say in KEEPWARM_LIBRARY where libkeepwarm.so is");
        return;
    }
    elf_file_close(&file);
    report_add(report, "library", STATUS_OK, "%s", path);
    if (strpbrk(path, " :"))
        row_remedy(report_add(report, "library_path", STATUS_PROBLEM,
                              "the library's path has a blank or a colon in it: LD_PRELOAD ends there"),
                   "Install keepwarm under a path without them");
    else if (!report_has_problem(report))
        add_trial(report);
}
