#include "scan/zeroes.h"

#include <cpuid.h>
#include <stdbool.h>

enum { CACHE_LINE = 64, LEAF = 0x80000008, HAS_CLZERO = 1 << 0 };

static bool has_clzero;

void zeroes_start(void)
{
    unsigned a, b, c, d;
    has_clzero = __get_cpuid((unsigned)LEAF, &a, &b, &c, &d) && b & HAS_CLZERO;
}

static void clear_line(uintptr_t line)
{
    __asm__ volatile("clzero" ::"a"(line) : "memory");
}

static void store_line(uintptr_t line)
{
    for (uint64_t *word = (uint64_t *)line; word < (uint64_t *)(line + CACHE_LINE); word++)
        __asm__ volatile("movnti %1, %0" : "=m"(*word) : "r"(0L));
}

void zeroes_stream(uintptr_t start, size_t length)
{
    uintptr_t end = start + length;
    if (has_clzero)
        for (uintptr_t line = start; line < end; line += CACHE_LINE)
            clear_line(line);
    else
        for (uintptr_t line = start; line < end; line += CACHE_LINE)
            store_line(line);
}
