/* Writing zeroes to memory that is present and writable, without vector registers: their state is the host's,
   and saving it costs more. Signal-safe. */
#ifndef SCAN_ZEROES_H
#define SCAN_ZEROES_H

#include <stddef.h>
#include <stdint.h>

/* Finds out how zeroes_stream goes about it. Once, at start: CPUID takes 7 us in a virtual machine. */
void zeroes_start(void);

/* Into the caches. The string instructions are as fast as vector code for whole pages (Zen 4: 36 ns a page
   either way), and are not replaced by a sanitizer's memset. */
static inline void zeroes_write(uintptr_t start, size_t length)
{
    void *to = (void *)start;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(0) : "memory");
}

/* Past the caches, in whole cache lines: for memory that is in none of them, whose old content would be read
   first. Zen 4, pages that are not adjacent: 57 ns each, 110 where there is no CLZERO, and 330 as above; in
   the caches it is slower, and so is the next access. zeroes_fence must follow before another thread is told
   of it. */
void zeroes_stream(uintptr_t start, size_t length);

static inline void zeroes_fence(void)
{
    __asm__ volatile("sfence" ::: "memory");
}

#endif
