/* What the parts of the twin test share.
   A pair is the same memory twice: one side is reset by the raw system call, the other through the libc
   symbols that a preloaded library answers. Whatever is done to one side is done to the other, and then both
   must look the same. */
#ifndef TWIN_TWIN_H
#define TWIN_TWIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel.h"
#include "machine.h"
#include "random.h"
#include "rows.h"

enum side { REAL, LIBRARY };

#define PAIRS_MAX 48
#define PAGES_MAX 1280
#define SLOT_SIZE (16ul << 20)
/* Far below everything that the kernel places by itself: nothing else ever lands in a hole of a twin. */
#define REAL_BASE 0x100000000000ul
#define LIBRARY_BASE 0x110000000000ul
#define GAP_PAGES 4

/* What is known of a page; a reset that covers it counts for the rows that attribute_rows[] names. */
enum attribute {
    A_HOLE = 1 << 0,
    A_NO_ACCESS = 1 << 1,
    A_READ_ONLY = 1 << 2,
    A_LOCKED = 1 << 3,
    A_ON_FAULT = 1 << 4,
    A_GUARD = 1 << 5,
    A_UNGUARDED = 1 << 6,
    A_LAZY = 1 << 7,
    A_PAGED_OUT = 1 << 8,
    A_BY_READ = 1 << 9,
    A_BY_VM = 1 << 10,
    A_BY_MEM = 1 << 11,
    A_POISON = 1 << 12,
    A_UFFD_MISSING = 1 << 13,
    A_UFFD_WP = 1 << 14,
    A_SEALED = 1 << 15,
    A_WIPED = 1 << 16,
    A_MOVED = 1 << 17,
    A_KSM = 1 << 18,
    A_KSM_ZERO = 1 << 19,
    A_WIPE_LATER = 1 << 20,
    A_NO_FORK = 1 << 21,
    A_LEFT_OUT = 1 << 22,
};
#define A_CONTENT (A_LAZY | A_PAGED_OUT | A_BY_READ | A_BY_VM | A_BY_MEM | A_POISON | A_KSM | A_KSM_ZERO)
#define A_UNREADABLE (A_HOLE | A_NO_ACCESS | A_GUARD | A_POISON | A_UFFD_MISSING)

/* A file that both twins map, and what it holds now. */
struct image {
    int file;
    size_t pages;
    uint8_t *content;
    uint8_t *old_view;
    char path[96];
};

struct pair {
    const struct kind *kind;
    unsigned slot;
    size_t pages;
    bool was_reset;
    uint8_t *at[2];
    struct image image;
    uint32_t attributes[PAGES_MAX];
    int32_t source[PAGES_MAX]; /* page of the image, or -1 for anonymous */
};

#define HISTORY 24
#define HISTORY_TEXT 168

/* Shared by the coordinator, the process of an episode and its children. */
struct report {
    atomic_ulong operations;
    atomic_ulong resets;
    atomic_ulong rows[ROW_COUNT];
    atomic_int failed;
    unsigned history_next[2];
    char history[2][HISTORY][HISTORY_TEXT];
    char failure[4096];
};

struct world {
    struct random random;
    struct report *report;
    const struct group *group;
    int place;
    unsigned long machine;
    unsigned long step;
    unsigned long episode;
    unsigned pair_count;
    int pagemap; /* -1: compare by touching every page */
    bool survey; /* PAGEMAP_SCAN may be used by the test itself */
    bool gentle; /* leave pages that both sides never touched as they are */
    bool defer;  /* the next comparison would undo what the step has set up */
    bool in_child;
    bool closed; /* descriptors have been taken away */
    bool verbose;
    const char *folder;
    struct pair pairs[PAIRS_MAX];
};

extern struct world world;

static inline bool has(enum facility facility)
{
    return world.machine >> facility & 1;
}

static inline uint64_t below(uint64_t n)
{
    return random_below(&world.random, n);
}

static inline bool chance(unsigned percent)
{
    return random_chance(&world.random, percent);
}

/* What a call gave: its result, and errno where that is -1. */
struct outcome {
    long result;
    int error;
};

struct outcome took(long result);
struct outcome took_raw(long result);
/* Fails the run when the two sides answered differently; returns whether both succeeded. */
bool same(const char *what, struct outcome real, struct outcome library);

/* A line of the history that a failure prints. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void count_row(enum row row, unsigned long times);
void count_operations(unsigned long times);
/* Ends this process: the twins differ. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
