/* libc's syscall(), for the numbers that keepwarm watches. */
#ifndef SHIM_SYSCALL_H
#define SHIM_SYSCALL_H

#include <stdint.h>

/* Not 0: this number goes to syscall_answer. Read by entry.S. */
extern const uint8_t syscall_watched[512];

/* Answers a watched number as libc's syscall would: -1 with errno on failure. */
long syscall_answer(int number, long a, long b, long c, long d, long e, long f);

/* Sets errno from a raw result and returns -1. */
long syscall_result(long result);

#endif
