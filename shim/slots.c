#include "shim/slots.h"

#include <string.h>

#include "scan/call_path.h"

enum {
    PLACES_BITS = 13,
    WAYS = SLOT_WAYS,
    WORDS = sizeof(struct slot_history) / sizeof(uint64_t),
    ROUND_STEP = 64
};

/* check ties the words together: those of two writers do not fit. No writer ever claims an entry, so none can
   be left claimed. The first word holds what is kept. It is left out, for another range may take of that (and
   for a moment it may be that of a range which takes the place), and is only ever exchanged: what goes in and
   what comes out add up whoever writes. */
struct entry {
    uint64_t start, check, words[WORDS];
} __attribute__((aligned(64)));
static struct entry entries[1 << PLACES_BITS];
_Static_assert(offsetof(struct slot_history, kept) == 0 &&
                   sizeof(struct slot_history) % sizeof(uint64_t) == 0,
               "the first word holds what is kept");
_Static_assert((WAYS & (WAYS - 1)) == 0, "a set begins at a multiple of its size");

/* Of all entries: which is the first place to look for it. */
static inline uint32_t first_place(uintptr_t start)
{
    return (uint32_t)((start >> 12) * 0x9e3779b97f4a7c15ULL >> (64 - PLACES_BITS));
}

/* The ith place, in one set with it. */
static inline struct entry *way_of(uintptr_t start, unsigned i)
{
    uint32_t first = first_place(start);
    return &entries[(first & ~(WAYS - 1)) | ((first + i) & (WAYS - 1))];
}

static inline bool is_of(const struct entry *entry, uintptr_t start)
{
    return __atomic_load_n(&entry->start, __ATOMIC_RELAXED) == start;
}

/* Its entry, whole or not; or NULL. */
static inline struct entry *entry_of(uintptr_t start)
{
    for (unsigned i = 0; i < WAYS; i++)
        if (likely(is_of(way_of(start, i), start)))
            return way_of(start, i);
    return NULL;
}

/* What the first word says: kept, pages and rule, and of the other fields nothing. */
static inline struct slot_history kept_of(uint64_t first)
{
    struct slot_history history = {0};
    memcpy(&history, &first, sizeof first);
    return history;
}

static uint64_t check_of(uintptr_t start, const uint64_t words[WORDS])
{
    return start ^ words[1] * 0xbf58476d1ce4e5b9ULL ^ words[2] * 0x94d049bb133111ebULL ^
           words[3] * 0xd6e8feb86659fd93ULL ^ words[4] * 0xa0761d6478bd642fULL ^
           words[5] * 0xe7037ed1a0b428dbULL;
}
_Static_assert(WORDS == 6, "check_of mixes all but the first");
_Static_assert(sizeof(struct entry) == 64, "an entry is a cache line");

/* True when the entry is whole: then start and history are those of one writer. Written by words, as it is
   copied later: a load that spans two stores waits for both (4 ns). */
ALWAYS_INLINE bool read_entry(const struct entry *entry, uintptr_t *start, struct slot_history *history)
{
    uint64_t *words = (uint64_t *)history;
#pragma GCC unroll 6
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = __atomic_load_n(&entry->words[i], __ATOMIC_RELAXED);
    *start = __atomic_load_n(&entry->start, __ATOMIC_RELAXED);
    return likely(*start && __atomic_load_n(&entry->check, __ATOMIC_RELAXED) == check_of(*start, words));
}

INLINED void slot_read(uintptr_t start, struct slot_history *history)
{
    for (unsigned i = 0; i < WAYS; i++) {
        const struct entry *entry = way_of(start, i);
        uintptr_t found;
        if (likely(is_of(entry, start)) && likely(read_entry(entry, &found, history) && found == start))
            return;
    }
    *history = (struct slot_history){0};
}

/* Words of two writers may not fit, but the first is one writer's, and holds all that is to be exact. */
INLINED bool slot_serves(uintptr_t start, uint64_t pages, uint8_t rule, uint32_t *kept)
{
    const struct entry *entry = entry_of(start);
    if (unlikely(!entry))
        return false;
    uint64_t first = __atomic_load_n(&entry->words[0], __ATOMIC_RELAXED);
    const uint8_t *state = (const uint8_t *)entry->words + offsetof(struct slot_history, state);
    *kept = (uint32_t)first;
    /* By the bit-fields' places: to build them in memory and load them as one stalls. */
    return likely(first >> 32 == (slot_pages(pages) | (uint64_t)rule << 24) &&
                  __atomic_load_n(state, __ATOMIC_RELAXED) == SLOT_SERVE);
}

/* Words of two writers may not fit: then a call is forwarded once more, or judged once more. */
INLINED bool slot_is_given_up(uintptr_t start, uint32_t *pages, enum reason *reason)
{
    const struct entry *entry = entry_of(start);
    if (unlikely(!entry))
        return false;
    uint64_t first = __atomic_load_n(&entry->words[0], __ATOMIC_RELAXED),
             second = __atomic_load_n(&entry->words[1], __ATOMIC_RELAXED);
    *pages = first >> 32 & 0xffffff;
    *reason = (enum reason)(second >> 8 & 0xff);
    return (uint8_t)second == SLOT_GIVEN_UP && !(uint32_t)first;
}
_Static_assert(offsetof(struct slot_history, state) == 8 && offsetof(struct slot_history, reason) == 9,
               "the second word begins with both");

/* Its own entry, else an empty or torn one, else one that keeps nothing. */
static struct entry *place_for(uintptr_t start)
{
    struct entry *free = NULL, *idle = NULL;
    for (unsigned i = 0; i < WAYS; i++) {
        struct entry *entry = way_of(start, i);
        struct slot_history history;
        uintptr_t found;
        if (is_of(entry, start))
            return entry;
        if (!read_entry(entry, &found, &history))
            free = free ? free : entry;
        else if (history.kept == 0)
            idle = entry;
    }
    return free ? free : idle;
}

bool slot_write(uintptr_t start, const struct slot_history *history, struct slot_history *replaced)
{
    const uint64_t *words = (const uint64_t *)history;
    uint64_t before[WORDS] = {0};
    struct entry *entry = place_for(start);
    if (!entry)
        return false;
    /* What another range kept must not be taken for this one's, nor the other way round. */
    if (!is_of(entry, start))
        __atomic_store_n(&entry->check, 0, __ATOMIC_RELAXED);
    before[0] = __atomic_exchange_n(&entry->words[0], words[0], __ATOMIC_RELAXED);
    for (unsigned i = 1; i < WORDS; i++)
        __atomic_store_n(&entry->words[i], words[i], __ATOMIC_RELAXED);
    __atomic_store_n(&entry->start, start, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->check, check_of(start, words), __ATOMIC_RELAXED);
    memcpy(replaced, before, sizeof before);
    return true;
}

uint32_t slot_yield(uintptr_t start, uint32_t pages, uint32_t kept, uint8_t *rule)
{
    struct entry *entry = entry_of(start);
    *rule = 0;
    if (!entry)
        return 0;
    uint64_t *first = &entry->words[0], old = __atomic_load_n(first, __ATOMIC_RELAXED), new;
    struct slot_history history;
    uint32_t before;
    do {
        history = kept_of(old);
        before = history.kept;
        history.pages = history.pages < pages ? history.pages : pages;
        history.kept = before < kept ? before : kept;
        memcpy(&new, &history, sizeof new);
    } while (!__atomic_compare_exchange_n(first, &old, new, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    *rule = history.rule;
    return before - history.kept;
}

bool slot_has_place(uintptr_t start)
{
    return place_for(start) != NULL;
}

uint32_t slot_hand_for(uintptr_t start)
{
    return first_place(start) & ~(WAYS - 1);
}

bool slot_next_kept(uint32_t *hand, uintptr_t *start, struct slot_history *history)
{
    for (unsigned i = 0; i < ROUND_STEP; i++) {
        uint32_t at = __atomic_fetch_add(hand, 1, __ATOMIC_RELAXED) % (1 << PLACES_BITS);
        if (read_entry(&entries[at], start, history) && history->kept)
            return true;
    }
    return false;
}

void slots_clear(void)
{
    memset(entries, 0, sizeof entries);
}
