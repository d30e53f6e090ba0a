/* What the reach test's plugin offers; each object that calls is a copy of it. */
#ifndef TEST_HOST_REACH_H
#define TEST_HOST_REACH_H

#include <stddef.h>

/* Set: a plugin's constructor puts there where its struct plugin lies, and `served` or `real`. */
#define HELLO "REACH_HELLO"

/* Set to `mount` or `rename`: how a plugin's constructor replaces its own file. */
#define REPLACE "REACH_REPLACE"

enum { ARENA_BYTES = 64 * 4096 };

struct plugin {
    int (*by_symbol)(void *start, size_t length, int advice);       /* madvise; -1 and its own errno */
    long (*by_number)(void *start, size_t length, int advice);      /* libc's syscall(SYS_madvise) */
    long (*by_vector)(void *start, size_t length, int advice);      /* an inline process_madvise; -errno */
    long (*by_instruction)(void *start, size_t length, int advice); /* inline; -errno */
    int (*by_pointer)(void *start, size_t length, int advice);      /* through a table of functions */
    int (*get_errno)(void);
    void *(*get_arena)(void); /* a static one, named plugin_arena */
};

#endif
