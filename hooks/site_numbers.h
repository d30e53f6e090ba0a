/* The system calls whose inline sites are looked for: the one table from which finder, listings and decisions
   come. CALL(name, number). */
#ifndef HOOKS_SITE_NUMBERS_H
#define HOOKS_SITE_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Those that are served. */
#define SITE_RESETS(CALL)                                                                                    \
    CALL(madvise, 28)                                                                                        \
    CALL(process_madvise, 440)

/* Those that end what vma=cache remembers. */
#define SITE_MAPPINGS(CALL)                                                                                  \
    CALL(mmap, 9)                                                                                            \
    CALL(mprotect, 10)                                                                                       \
    CALL(munmap, 11)                                                                                         \
    CALL(brk, 12)                                                                                            \
    CALL(mremap, 25)                                                                                         \
    CALL(shmat, 30)                                                                                          \
    CALL(shmdt, 67)                                                                                          \
    CALL(mlock, 149)                                                                                         \
    CALL(mlockall, 151)                                                                                      \
    CALL(remap_file_pages, 216)                                                                              \
    CALL(mlock2, 325)                                                                                        \
    CALL(pkey_mprotect, 329)

enum {
#define CALL(name, number) SITE_CALL_##name = number,
    SITE_RESETS(CALL) SITE_MAPPINGS(CALL)
#undef CALL
};

/* Which of them. */
enum site_calls { SITE_CALLS_RESETS, SITE_CALLS_ALL };

struct site_number {
    uint16_t number;
    const char *name;
};

static const struct site_number site_numbers[] = {
#define CALL(name, number) {number, #name},
    SITE_RESETS(CALL) SITE_MAPPINGS(CALL)
#undef CALL
};

/* How many rows of site_numbers are meant. */
static inline size_t site_numbers_count(enum site_calls calls)
{
    return calls == SITE_CALLS_ALL ? sizeof site_numbers / sizeof *site_numbers : 2;
}

static inline const struct site_number *site_number_find(uint64_t number, enum site_calls calls)
{
    for (size_t i = 0; i < site_numbers_count(calls); i++)
        if (site_numbers[i].number == number)
            return &site_numbers[i];
    return NULL;
}

static inline bool site_is_mapping(uint64_t number)
{
    return site_number_find(number, SITE_CALLS_ALL) && !site_number_find(number, SITE_CALLS_RESETS);
}

static inline const char *site_call_name(uint64_t number)
{
    const struct site_number *row = site_number_find(number, SITE_CALLS_ALL);
    return row ? row->name : "?";
}

#endif
