#include "shim/endings.h"

#include <stdarg.h>

#include "shim/next.h"
#include "shim/state.h"
#include "shim/statistics.h"

extern char **environ;

void ending(void)
{
    if (!process.inert)
        statistics_write(true);
}

static void end_process(int status)
{
    ending();
    for (;;)
        prim_call3(SYS_exit_group, status, 0, 0);
}

EXPORT void _exit(int status)
{
    end_process(status);
    __builtin_unreachable();
}

EXPORT void _Exit(int status)
{
    _exit(status);
}

EXPORT void quick_exit(int status)
{
    ending();
    if (next_quick_exit)
        next_quick_exit(status);
    end_process(status);
    __builtin_unreachable();
}

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    ending();
    return next_execve
               ? next_execve(path, arguments, environment)
               : (int)with_errno(prim_call3(SYS_execve, (long)path, (long)arguments, (long)environment));
}

EXPORT int execv(const char *path, char *const arguments[])
{
    return execve(path, arguments, environ);
}

EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    ending();
    if (next_execvpe)
        return next_execvpe(file, arguments, environment);
    errno = ENOSYS;
    return -1;
}

EXPORT int execvp(const char *file, char *const arguments[])
{
    return execvpe(file, arguments, environ);
}

EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    ending();
    if (next_fexecve)
        return next_fexecve(fd, arguments, environment);
    errno = ENOSYS;
    return -1;
}

EXPORT int execveat(int directory, const char *path, char *const arguments[], char *const environment[],
                    int flags)
{
    ending();
    return next_execveat ? next_execveat(directory, path, arguments, environment, flags)
                         : (int)with_errno(prim_call6(SYS_execveat, directory, (long)path, (long)arguments,
                                                      (long)environment, flags, 0));
}

/* The functions that list their arguments: glibc's own make them an array too. with counts what stands
   between the first argument and the terminator, then the array is filled in a second pass. */
#define ARGUMENTS(name, first, last)                                                                         \
    va_list list;                                                                                            \
    int with = 1;                                                                                            \
    va_start(list, first);                                                                                   \
    while (va_arg(list, char *))                                                                             \
        with++;                                                                                              \
    va_end(list);                                                                                            \
    char **name = __builtin_alloca((size_t)(with + 1) * sizeof *name);                                       \
    name[0] = (char *)first;                                                                                 \
    va_start(list, first);                                                                                   \
    for (int i = 1; i <= with; i++)                                                                          \
        name[i] = va_arg(list, char *);                                                                      \
    last;                                                                                                    \
    va_end(list)

EXPORT int execl(const char *path, const char *first, ...)
{
    ARGUMENTS(arguments, first, (void)0);
    return execve(path, arguments, environ);
}

EXPORT int execlp(const char *file, const char *first, ...)
{
    ARGUMENTS(arguments, first, (void)0);
    return execvpe(file, arguments, environ);
}

EXPORT int execle(const char *path, const char *first, ...)
{
    char **environment;
    ARGUMENTS(arguments, first, environment = va_arg(list, char **));
    return execve(path, arguments, environment);
}
