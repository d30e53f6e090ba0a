/* The functions that keepwarm's interposed ones pass on to: the next in the link order, found once at
   start-up. NULL before that, or where the C library lacks one: then the raw system call is made. */
#ifndef SHIM_NEXT_H
#define SHIM_NEXT_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <unistd.h>

#include "scan/prim.h"

#define NEXT_FUNCTIONS(FUNCTION)                                                                             \
    FUNCTION(syscall)                                                                                        \
    FUNCTION(mmap)                                                                                           \
    FUNCTION(munmap)                                                                                         \
    FUNCTION(mremap)                                                                                         \
    FUNCTION(mprotect)                                                                                       \
    FUNCTION(pkey_mprotect)                                                                                  \
    FUNCTION(pkey_alloc)                                                                                     \
    FUNCTION(mlock)                                                                                          \
    FUNCTION(mlock2)                                                                                         \
    FUNCTION(mlockall)                                                                                       \
    FUNCTION(brk)                                                                                            \
    FUNCTION(setrlimit)                                                                                      \
    FUNCTION(prlimit)                                                                                        \
    FUNCTION(sbrk)                                                                                           \
    FUNCTION(shmat)                                                                                          \
    FUNCTION(shmdt)                                                                                          \
    FUNCTION(ioctl)                                                                                          \
    FUNCTION(prctl)                                                                                          \
    FUNCTION(close)                                                                                          \
    FUNCTION(close_range)                                                                                    \
    FUNCTION(closefrom)                                                                                      \
    FUNCTION(dup2)                                                                                           \
    FUNCTION(dup3)                                                                                           \
    FUNCTION(dlclose)                                                                                        \
    FUNCTION(execve)                                                                                         \
    FUNCTION(execveat)                                                                                       \
    FUNCTION(fexecve)                                                                                        \
    FUNCTION(execvpe)

#define NEXT_DECLARE(name) extern __typeof__(&name) next_##name;
NEXT_FUNCTIONS(NEXT_DECLARE)
#undef NEXT_DECLARE

/* dlsym's next: entry.S jumps there, so that it sees the program's return address (RTLD_NEXT). */
extern void *next_dlsym;

/* Finds it, for a call that comes before next_resolve. */
void next_resolve_dlsym(void);

/* Another namespace's libc has an errno of its own, which its callers look at. */
void next_add_errno(int *(*location)(void));
void next_set_errno(int error);

/* Looks all of them up. */
void next_resolve(void);

/* Turns a raw result into libc's: -1 with errno. */
ALWAYS_INLINE long with_errno(long result)
{
    if (prim_failed(result)) {
        next_set_errno((int)-result);
        return -1;
    }
    return result;
}

/* What the next function says, or the raw call where there is none yet. */
#define CALL_NEXT(name, raw, ...)                                                                            \
    (next_##name ? next_##name(__VA_ARGS__) : (__typeof__(next_##name(__VA_ARGS__)))with_errno(raw))

#endif
