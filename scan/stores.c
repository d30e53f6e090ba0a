#include "scan/stores.h"

#include <errno.h>
#include <sys/platform/x86.h>

#include "scan/prim.h"

enum { CACHE_LINE = 64, CPU_CLZERO = x86_cpu_index_80000008_ebx + 0 };

uint8_t stores_vector;

static bool has_clzero;

void stores_start(void)
{
    has_clzero = x86_cpu_present(CPU_CLZERO);
    /* Processors before those with VBMI2 get slower for a while by vectors of 64 bytes. */
    bool whole_lines = CPU_FEATURE_ACTIVE(AVX512F) && CPU_FEATURE_ACTIVE(AVX512_VBMI2);
    stores_vector = whole_lines ? 64 : CPU_FEATURE_ACTIVE(AVX2) ? 32 : 0;
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

int stores_zeroes_safely(const int *zero, uintptr_t start, size_t length)
{
    while (length) {
        int descriptor = __atomic_load_n(zero, __ATOMIC_ACQUIRE);
        long count = prim_pread(descriptor, (void *)start, length, 0);
        /* The descriptor moves when the host wants its number (a dup2, perhaps in a signal handler that has
           just cut a read short): what was read under the old number then does not count. pread consumes
           nothing. */
        if (__atomic_load_n(zero, __ATOMIC_ACQUIRE) != descriptor)
            return -EAGAIN;
        /* A filter's trap makes a call return anything. */
        if (count <= 0 || (size_t)count > length)
            return count < 0 ? (int)count : -EFAULT;
        start += (uintptr_t)count;
        length -= (size_t)count;
    }
    return 0;
}

int stores_copy_safely(uintptr_t start, const char *from, size_t length)
{
    struct iovec to = {(void *)start, length}, source = {(void *)from, length};
    long count = prim_copy_safely(&to, &source, 1);
    return count == (long)length ? 0 : count < 0 ? (int)count : -EFAULT;
}
