/* A shared object that resets memory in every way there is. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
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

/* Puts the file that lies beside it in its own file's place. Preloaded behind keepwarm, it does so before
   that looks at anything. A mount leaves no trace in /proc/self/maps. */
static __attribute__((constructor)) void replace_file(void)
{
    Dl_info info;
    char other[4096];
    const char *how = getenv(REPLACE);
    if (!how || !dladdr(&plugin, &info))
        return;
    snprintf(other, sizeof other, "%s.new", info.dli_fname);
    if (strcmp(how, "mount") == 0 ? mount(other, info.dli_fname, NULL, MS_BIND, NULL)
                                  : rename(other, info.dli_fname))
        abort();
}

/* Makes itself known to a program that asks for no symbol, and says whether a call from here was served. */
static __attribute__((constructor)) void say_hello(void)
{
    char text[64];
    unsigned char resident = 0;
    if (!getenv(HELLO))
        return;
    memset(plugin_arena, 0x5a, ARENA_BYTES);
    if (by_instruction(plugin_arena, ARENA_BYTES, MADV_DONTNEED) == 0)
        mincore(plugin_arena, 1, &resident);
    snprintf(text, sizeof text, "%p %s", (const void *)&plugin, resident & 1 ? "served" : "real");
    setenv(HELLO, text, 1);
}
