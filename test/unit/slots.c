#include "shim/slots.h"

#include "test/unit/unit.h"

#include <pthread.h>

Test(slots, remember)
{
    struct slot_history history = {.kept = 77, .streak = 3, .rule = 2, .serves = 9};
    slot_write(0x7f0000001000, history);
    struct slot_history read = slot_read(0x7f0000001000);
    cr_assert(read.kept == 77 && read.streak == 3 && read.rule == 2 && read.serves == 9);
    read = slot_read(0x7f0000002000);
    cr_assert(read.kept == 0 && read.serves == 0);
    slots_clear();
    cr_assert_eq(slot_read(0x7f0000001000).kept, 0);
}

/* Kept pages that are forgotten are handed back, so that their sum stays right. */
Test(slots, no_kept_page_is_lost)
{
    int64_t kept = 0;
    for (uintptr_t i = 0; i < 20000; i++) {
        uintptr_t start = 0x10000000 + (i * 7919 % 5000) * 4096;
        struct slot_history history = {.kept = (uint32_t)(i % 100)}, replaced = slot_write(start, history);
        kept += (int64_t)history.kept - replaced.kept;
        cr_assert_eq(slot_read(start).kept, history.kept);
    }
    int64_t left = 0;
    for (uintptr_t i = 0; i < 5000; i++)
        left += slot_read(0x10000000 + i * 4096).kept;
    cr_assert_eq(kept, left);
}

enum { WRITERS = 3, ADDRESSES = 8192, ROUNDS = 60 };

/* A history that says which address it belongs to. */
static struct slot_history history_of(uintptr_t start, uint16_t writer)
{
    uint32_t mark = (uint32_t)(start >> 12) * 2654435761U;
    return (struct slot_history){
        .kept = mark | 1, .streak = (uint8_t)(mark >> 8), .rule = 1, .serves = writer};
}

static void *write_and_read(void *number)
{
    uintptr_t wrong = 0;
    for (int round = 0; round < ROUNDS; round++)
        for (uintptr_t i = 0; i < ADDRESSES; i++) {
            uintptr_t start = 0x20000000 + (i * 31 + (uintptr_t)number) % ADDRESSES * 4096;
            struct slot_history mine = history_of(start, 5), read = slot_read(start);
            /* Nothing, or this address's. */
            wrong += read.serves && (read.kept != mine.kept || read.streak != mine.streak);
            slot_write(start, mine);
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
