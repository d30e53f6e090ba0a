/* The tables of mode=observe: rows, names, and the pages that were dropped before. */
#include "shim/observations.h"

#include "test/unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "scan/prim.h"

static void add(struct observed_key key, uint64_t bytes)
{
    uint64_t amounts[OBSERVED_COUNT] = {[OBSERVED_calls] = 1, [OBSERVED_bytes] = bytes};
    observed_add(key, amounts);
}

static struct observed_key key_of(const char *caller, const char *mapping, uint8_t size)
{
    return (struct observed_key){observed_name(caller), observed_name(mapping), size, REASON_COUNT};
}

/* The row about these, or one without calls. */
static struct observed_row row_of(const char *caller, const char *mapping, uint64_t size)
{
    struct observed_row row;
    for (unsigned i = 0; i < OBSERVED_ROWS; i++)
        if (observed_row(i, &row) && strcmp(row.caller, caller) == 0 && strcmp(row.mapping, mapping) == 0 &&
            row.size == size)
            return row;
    return (struct observed_row){0};
}

Test(observations, rows_add_up)
{
    struct observed_row row;
    for (unsigned i = 0; i < OBSERVED_ROWS; i++)
        cr_assert_not(observed_row(i, &row));
    add(key_of("a", "anon", 12), 10);
    add(key_of("a", "anon", 12), 20);
    add(key_of("a", "anon", 13), 40);
    add(key_of("a", "memfd:x", 12), 80);
    struct observed_key locked = key_of("b", "anon", 12);
    locked.hindrance = REASON_locked;
    add(locked, 160);
    row = row_of("a", "anon", 4096);
    cr_assert(row.amounts[OBSERVED_calls] == 2 && row.amounts[OBSERVED_bytes] == 30);
    cr_assert_eq(row.hindrance, REASON_COUNT);
    cr_assert_eq(row_of("a", "anon", 8192).amounts[OBSERVED_bytes], 40);
    cr_assert_eq(row_of("a", "memfd:x", 4096).amounts[OBSERVED_bytes], 80);
    row = row_of("b", "anon", 4096);
    cr_assert(row.amounts[OBSERVED_bytes] == 160 && row.hindrance == REASON_locked);
    observed_clear();
    cr_assert_eq(row_of("a", "anon", 4096).amounts[OBSERVED_calls], 0);
    cr_assert_not(observed_row(OBSERVED_ROWS, &row));
}

Test(observations, a_full_table_loses_no_call)
{
    uint64_t calls = 0, others = 0;
    for (unsigned hindrance = 0; hindrance < REASON_COUNT; hindrance++)
        for (uint8_t size = 12; size < 32; size++)
            add((struct observed_key){observed_name("a"), observed_name("anon"), size, hindrance}, 1);
    for (unsigned i = 0; i < OBSERVED_ROWS; i++) {
        struct observed_row row;
        if (!observed_row(i, &row))
            continue;
        calls += row.amounts[OBSERVED_calls];
        if (row.size == 0) {
            others += row.amounts[OBSERVED_calls];
            cr_assert_str_eq(row.caller, "other");
        }
    }
    cr_assert_eq(calls, REASON_COUNT * 20);
    cr_assert_eq(others, calls - (OBSERVED_ROWS - 1));
}

Test(observations, names)
{
    char name[300];
    uint8_t first = observed_name("libc.so.6");
    cr_assert(first && observed_name("libc.so.6") == first && observed_name("libc.so.7") != first);
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    uint8_t cut = observed_name(name);
    cr_assert_eq(observed_name(name), cut);
    add((struct observed_key){cut, cut, 12, REASON_COUNT}, 1);
    name[OBSERVED_NAME_SIZE - 1] = 0;
    cr_assert_eq(row_of(name, name, 4096).amounts[OBSERVED_calls], 1);
    unsigned unnamed = 0;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "name %d", i);
        unnamed += observed_name(name) == 0;
    }
    cr_assert(unnamed > 100, "a full table says so");
    cr_assert_eq(observed_name("libc.so.6"), first);
}

Test(observations, memories)
{
    cr_assert_eq(observed_recall(0x55550000), 0);
    observed_remember(0x55550000, 7);
    observed_remember(1ULL << 63 | 5, 9);
    cr_assert(observed_recall(0x55550000) == 7 && observed_recall(1ULL << 63 | 5) == 9);
    /* Whatever else is remembered since, no key is given another's name. */
    for (uint64_t key = 1; key < 20000; key++) {
        observed_remember(key * 16, (uint8_t)(key % 100 + 1));
        uint8_t earlier = observed_recall(key / 2 * 16);
        cr_assert(key < 2 || earlier == 0 || earlier == key / 2 % 100 + 1);
    }
}

static uint64_t again(uint64_t first, uint64_t count)
{
    return observed_again((first + 0x7f0000000) * PAGE, (first + count + 0x7f0000000) * PAGE);
}

/* Against a plain array of what was passed before. */
Test(observations, pages_again)
{
    enum { PAGES = 4096 };
    static bool before[PAGES];
    unsigned seed = 1;
    for (int i = 0; i < 5000; i++) {
        uint64_t first = (uint64_t)rand_r(&seed) % PAGES;
        uint64_t count = 1 + (uint64_t)rand_r(&seed) % (i % 50 ? 20 : 700);
        count = first + count > PAGES ? PAGES - first : count;
        uint64_t wanted = 0;
        for (uint64_t page = first; page < first + count; page++) {
            wanted += before[page];
            before[page] = true;
        }
        cr_assert_eq(again(first, count), wanted);
    }
    observed_clear();
    cr_assert_eq(again(0, PAGES), 0);
}

enum { THREADS = 4, ROUNDS = 300000 };

static void *add_many(void *argument)
{
    (void)argument;
    char name[16];
    struct observed_key key[10];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "m%d", i);
        key[i] = key_of("threads", name, (uint8_t)(12 + i));
    }
    for (int i = 0; i < ROUNDS; i++)
        add(key[i % 10], 1);
    return NULL;
}

Test(observations, threads)
{
    pthread_t threads[THREADS];
    uint64_t calls = 0;
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < OBSERVED_ROWS; i++) {
        struct observed_row row;
        calls += observed_row(i, &row) ? row.amounts[OBSERVED_calls] : 0;
    }
    cr_assert_eq(calls, THREADS * ROUNDS);
}
