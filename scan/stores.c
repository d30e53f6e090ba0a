#include "scan/stores.h"

#include <sys/platform/x86.h>

enum { CACHE_LINE = 64, CPU_CLZERO = x86_cpu_index_80000008_ebx + 0 };

bool stores_by_vectors;

static bool has_clzero;

void stores_start(void)
{
    has_clzero = x86_cpu_present(CPU_CLZERO);
    stores_by_vectors = CPU_FEATURE_ACTIVE(AVX2);
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

void stores_stream(uintptr_t start, size_t length)
{
    uintptr_t end = start + length;
    if (has_clzero)
        for (uintptr_t line = start; line < end; line += CACHE_LINE)
            clear_line(line);
    else
        for (uintptr_t line = start; line < end; line += CACHE_LINE)
            store_line(line);
}
