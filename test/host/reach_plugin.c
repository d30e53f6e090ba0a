/* A shared object that resets memory in every way there is. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/host/reach.h"

extern const struct plugin plugin;

static char plugin_arena[ARENA_BYTES] __attribute__((aligned(4096)));

static int by_symbol(void *start, size_t length, int advice)
{
    return madvise(start, length, advice);
}

static long by_number(void *start, size_t length, int advice)
{
    return syscall(SYS_madvise, start, length, advice);
}

static long by_instruction(void *start, size_t length, int advice)
{
    long result;
    __asm__ volatile("movl $28, %%eax\n\tsyscall"
                     : "=&a"(result)
                     : "D"(start), "S"(length), "d"((long)advice)
                     : "rcx", "r11", "memory");
    return result;
}

static long by_vector(void *start, size_t length, int advice)
{
    struct iovec range = {start, length};
    long result;
    register long r10 __asm__("r10") = advice;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("movl $440, %%eax\n\tsyscall"
                     : "=&a"(result)
                     : "D"(-10000L), "S"(&range), "d"(1L), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

/* A pointer in data: R_X86_64_64. */
static int (*volatile const table[])(void *, size_t, int) = {madvise};

static int by_pointer(void *start, size_t length, int advice)
{
    return table[0](start, length, advice);
}

static int get_errno(void)
{
    return errno;
}

static void *get_arena(void)
{
    return plugin_arena;
}

__attribute__((visibility("default"))) const struct plugin plugin = {
    by_symbol, by_number, by_vector, by_instruction, by_pointer, get_errno, get_arena,
};
