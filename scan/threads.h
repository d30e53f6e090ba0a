/* Whether this process has more threads than one. */
#ifndef SCAN_THREADS_H
#define SCAN_THREADS_H

#include <stdbool.h>

/* glibc 2.32 and later. */
extern char __libc_single_threaded __attribute__((weak));

/* Of those that libc did not start (clone) it does not know. */
static inline bool has_threads(void)
{
    return !&__libc_single_threaded || !__libc_single_threaded;
}

#endif
