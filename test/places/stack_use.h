/* How much stack a reset uses. */
#ifndef TEST_PLACES_STACK_USE_H
#define TEST_PLACES_STACK_USE_H

#include <stddef.h>

/* Calls function(a, b, c) with the stack pointer at top, which is a multiple of 16. */
long stack_call(void *top, void *function, const void *a, size_t b, int c);

/* Makes the reset reset(memory, length, MADV_DONTNEED) on a coroutine's stack of 8 KiB. Returns how many of
   its bytes were written, or SIZE_MAX when the reset failed. */
size_t stack_use(int (*reset)(void *, size_t, int), unsigned char *memory, size_t length);

/* The most of 200 resets, before each of which a page is dirtied every stride bytes; SIZE_MAX also where
   memory was not zero afterwards. */
size_t stack_most_use(int (*reset)(void *, size_t, int), unsigned char *memory, size_t length, size_t stride);

#endif
