#include "shim/slots.h"

#include <string.h>

enum { SLOTS_BITS = 11 };

/* key is the address mixed with the history: halves from two writers do not fit together, and such an entry
   reads as empty. No writer ever claims an entry, so none can be left claimed. */
static struct {
    uint64_t key, history;
} slots[1 << SLOTS_BITS];

static unsigned index_of(uintptr_t start)
{
    return (unsigned)((start >> 12) * 0x9e3779b97f4a7c15ULL >> (64 - SLOTS_BITS));
}

static struct slot_history unpack(uint64_t word)
{
    struct slot_history history;
    memcpy(&history, &word, sizeof history);
    return history;
}

struct slot_history slot_read(uintptr_t start)
{
    unsigned i = index_of(start);
    uint64_t history = __atomic_load_n(&slots[i].history, __ATOMIC_RELAXED);
    uint64_t key = __atomic_load_n(&slots[i].key, __ATOMIC_RELAXED);
    return unpack((key ^ history) == start ? history : 0);
}

struct slot_history slot_write(uintptr_t start, struct slot_history history)
{
    unsigned i = index_of(start);
    uint64_t word;
    memcpy(&word, &history, sizeof word);
    uint64_t before = __atomic_exchange_n(&slots[i].history, word, __ATOMIC_RELAXED);
    __atomic_store_n(&slots[i].key, start ^ word, __ATOMIC_RELAXED);
    return unpack(before);
}

void slots_clear(void)
{
    memset(slots, 0, sizeof slots);
}
