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

EXPORT void _exit(int status)
{
    ending();
    for (;;)
        prim_call3(SYS_exit_group, status, 0, 0);
}

EXPORT void _Exit(int status)
{
    _exit(status);
}

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    ending();
    return CALL_NEXT(execve, prim_call3(SYS_execve, (long)path, (long)arguments, (long)environment), path,
                     arguments, environment);
}

EXPORT int execv(const char *path, char *const arguments[])
{
    return execve(path, arguments, environ);
}

EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    ending();
    if (!next_execvpe) /* called by a constructor that runs before ours */
        next_resolve();
    return next_execvpe(file, arguments, environment);
}

EXPORT int execvp(const char *file, char *const arguments[])
{
    return execvpe(file, arguments, environ);
}

EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    ending();
    if (!next_fexecve)
        next_resolve();
    return next_fexecve(fd, arguments, environment);
}

EXPORT int execveat(int directory, const char *path, char *const arguments[], char *const environment[],
                    int flags)
{
    ending();
    return CALL_NEXT(
        execveat,
        prim_call6(SYS_execveat, directory, (long)path, (long)arguments, (long)environment, flags, 0),
        directory, path, arguments, environment, flags);
}

/* The functions that list their arguments: glibc's own make them an array too. total counts what stands
   between the first argument and the terminator, then the array is filled in a second pass. */
#define ARGUMENTS(name, first, last)                                                                         \
    va_list list;                                                                                            \
    int total = 1;                                                                                           \
    va_start(list, first);                                                                                   \
    while (va_arg(list, char *))                                                                             \
        total++;                                                                                             \
    va_end(list);                                                                                            \
    char **name = __builtin_alloca((size_t)(total + 1) * sizeof *name);                                      \
    name[0] = (char *)first;                                                                                 \
    va_start(list, first);                                                                                   \
    for (int i = 1; i <= total; i++)                                                                         \
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
