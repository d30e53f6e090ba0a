/* Cases that run under the built library, each in a process of its own with a time limit: what one case does
   to its process is not met by the next. */
#ifndef TEST_PLACES_PLACE_H
#define TEST_PLACES_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { CASE_PASSED = 0, CASE_FAILED = 1, CASE_SKIPPED = 77, PLACE_PAGE = 4096 };

struct place_case {
    const char *name;
    const char *rules;    /* KEEPWARM_REGIONS; NULL: any */
    const char *settings; /* KEEPWARM, besides the live file; NULL: none */
    int (*run)(void);     /* returns CASE_... */
};

/* Runs each case under the library, or, in the process of a case, that case. Returns main's result. */
int place_main(int argc, char **argv, const struct place_case *cases, size_t count);

/* A counter of this process, or `declined.REASON`, as its live file has it: exact after every call. */
uint64_t counter(const char *name);
uint64_t counter_of(pid_t pid, const char *name);
/* Bytes that this process's resets left resident, as they are counted. */
uint64_t kept_bytes(void);

/* Fresh private anonymous memory, written to its last byte. */
unsigned char *dirty_memory(size_t length);
void make_dirty(unsigned char *memory, size_t length);
bool is_zero(const unsigned char *memory, size_t length);

/* Dirties and resets a range of its own: is the call answered by a reset, and right? */
bool is_served(void);
/* Answered right, but by the real call, for this reason? */
bool is_declined(const char *reason);

/* A system call that no interposed symbol sees, or -errno. Its last arguments are those of a mapping of no
   file: -1 and 0. */
long raw_call(long number, long a, long b, long c, long d);

/* madvise by a system call instruction that hooks=inline replaces: its result, or -errno. Touches neither the
   stack nor a vector register; and has no frame description. */
int site_madvise(void *address, size_t length, int advice);

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
            return CASE_FAILED;                                                                              \
        }                                                                                                    \
    } while (0)

#define SKIP_UNLESS(condition, why)                                                                          \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "skipped: %s\n", why);                                                           \
            return CASE_SKIPPED;                                                                             \
        }                                                                                                    \
    } while (0)

#endif
