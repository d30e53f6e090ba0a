#include "shim/slots.h"

#include "test/unit/unit.h"

#include <pthread.h>

static struct slot_history write_kept(uintptr_t start, uint32_t kept)
{
    struct slot_history history = {.kept = kept}, replaced;
    cr_assert(slot_write(start, &history, &replaced));
    return replaced;
}

static struct slot_history read_back(uintptr_t start)
{
    struct slot_history history;
    slot_read(start, &history);
    return history;
}

Test(slots, remember)
{
    struct slot_history history = {.kept = 77, .refusals = 3, .rule = 2, .pages = 9}, replaced;
    cr_assert(slot_write(0x7f0000001000, &history, &replaced));
    cr_assert_eq(replaced.kept, 0);
    struct slot_history read = read_back(0x7f0000001000);
    cr_assert(read.kept == 77 && read.refusals == 3 && read.rule == 2 && read.pages == 9);
    read = read_back(0x7f0000002000);
    cr_assert(read.kept == 0 && read.pages == 0);
    cr_assert_eq(write_kept(0x7f0000001000, 5).kept, 77);
    slots_clear();
    cr_assert_eq(read_back(0x7f0000001000).kept, 0);
}

Test(slots, says_what_a_served_range_keeps)
{
    enum { LONGEST = (1 << 24) - 1 };
    struct slot_history history = {.kept = UINT32_MAX, .pages = LONGEST, .rule = 31, .state = SLOT_SERVE},
                        replaced;
    uintptr_t start = 0x7f0000001000;
    uint32_t kept;
    cr_assert_not(slot_serves(start, LONGEST, 31, &kept));
    cr_assert(slot_write(start, &history, &replaced));
    cr_assert(slot_serves(start, LONGEST, 31, &kept) && kept == UINT32_MAX);
    cr_assert(slot_serves(start, (uint64_t)LONGEST + 1, 31, &kept), "longer ones are not told apart");
    cr_assert_not(slot_serves(start, LONGEST - 1, 31, &kept));
    cr_assert_not(slot_serves(start, LONGEST, 30, &kept));
    cr_assert_not(slot_serves(start + 4096, LONGEST, 31, &kept));
    history.state = SLOT_CHECK;
    cr_assert(slot_write(start, &history, &replaced));
    cr_assert_not(slot_serves(start, LONGEST, 31, &kept));
}

Test(slots, says_what_is_given_up)
{
    struct slot_history history = {.pages = 300, .rule = 31, .state = SLOT_GIVEN_UP, .reason = REASON_locked},
                        replaced;
    uintptr_t start = 0x7f0000001000;
    enum reason reason;
    uint32_t pages;
    cr_assert_not(slot_is_given_up(start, &pages, &reason));
    cr_assert(slot_write(start, &history, &replaced));
    cr_assert(slot_is_given_up(start, &pages, &reason) && pages == 300 && reason == REASON_locked);
    cr_assert_not(slot_is_given_up(start + 4096, &pages, &reason));
    history.kept = 1;
    cr_assert(slot_write(start, &history, &replaced));
    cr_assert_not(slot_is_given_up(start, &pages, &reason), "what it keeps is to be accounted for");
    history.kept = 0;
    history.state = SLOT_LOOK;
    cr_assert(slot_write(start, &history, &replaced));
    cr_assert_not(slot_is_given_up(start, &pages, &reason));
}

Test(slots, a_range_yields_to_another)
{
    struct slot_history history = {.kept = 70, .pages = 100, .rule = 2, .dirty = 9}, replaced;
    cr_assert(slot_write(0x7f0000001000, &history, &replaced));
    uint8_t rule;
    cr_assert_eq(slot_yield(0x7f0000001000, 100, 80, &rule), 0);
    cr_assert_eq(slot_yield(0x7f0000001000, 60, 50, &rule), 20);
    cr_assert_eq(rule, 2);
    struct slot_history read = read_back(0x7f0000001000);
    cr_assert(read.kept == 50 && read.pages == 60 && read.rule == 2 && read.dirty == 9);
    cr_assert_eq(slot_yield(0x7f0000001000, 100, 0, &rule), 50);
    cr_assert_eq(slot_yield(0x7f0000002000, 1, 0, &rule), 0);
    cr_assert_eq(write_kept(0x7f0000001000, 5).kept, 0);
}

Test(slots, a_length_that_is_too_long_is_the_longest)
{
    struct slot_history history = {.pages = slot_pages((uint64_t)5 << 32)};
    cr_assert_eq(history.pages, (1 << 24) - 1);
    cr_assert_eq(slot_pages(77), 77);
}

/* A full table refuses a new range rather than forget what an old one keeps; ranges that keep nothing give
 * way. */
Test(slots, no_kept_page_is_lost)
{
    enum { RANGES = 100000 };
    int64_t kept = 0, refused = 0;
    struct slot_history replaced;
    for (uintptr_t i = 0; i < RANGES; i++) {
        struct slot_history history = {.kept = (uint32_t)(i % 100)};
        if (slot_write(0x10000000 + i * 4096, &history, &replaced))
            kept += (int64_t)history.kept - replaced.kept;
        else
            refused++;
    }
    int64_t left = 0;
    for (uintptr_t i = 0; i < RANGES; i++)
        left += read_back(0x10000000 + i * 4096).kept;
    cr_assert_eq(kept, left);
    cr_assert(refused > RANGES / 2, "%ld", refused);

    uintptr_t start;
    struct slot_history found;
    int64_t walked = 0;
    uint32_t hand = 0;
    for (int i = 0; i < 20000; i++)
        if (slot_next_kept(&hand, &start, &found))
            cr_assert(walked += read_back(start).kept == found.kept);
    cr_assert(walked > 5000);
    hand = slot_hand_for(0x10000000 + 99 * 4096);
    bool met = false;
    for (int i = 0; i < SLOT_WAYS; i++)
        met = (slot_next_kept(&hand, &start, &found) && start == 0x10000000 + 99 * 4096) || met;
    cr_assert(met);
}

enum { WRITERS = 3, ADDRESSES = 8192, ROUNDS = 60 };

/* A history that says which address it belongs to. */
static struct slot_history history_of(uintptr_t start, uint32_t writer)
{
    uint32_t mark = (uint32_t)(start >> 12) * 2654435761U;
    return (struct slot_history){
        .kept = mark | 1, .refusals = (uint8_t)(mark >> 8), .rule = 1, .pages = writer};
}

static void *write_and_read(void *number)
{
    uintptr_t wrong = 0;
    for (int round = 0; round < ROUNDS; round++)
        for (uintptr_t i = 0; i < ADDRESSES; i++) {
            uintptr_t start = 0x20000000 + (i * 31 + (uintptr_t)number) % ADDRESSES * 4096;
            struct slot_history mine = history_of(start, 5), read = read_back(start), replaced;
            /* Nothing, or this address's. */
            wrong += read.pages && (read.kept != mine.kept || read.refusals != mine.refusals);
            slot_write(start, &mine, &replaced);
        }
    return (void *)wrong;
}

Test(slots, torn_entries_are_forgotten)
{
    pthread_t threads[WRITERS];
    for (uintptr_t i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, write_and_read, (void *)(i * 17));
    for (int i = 0; i < WRITERS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        cr_assert_null(wrong);
    }
}
