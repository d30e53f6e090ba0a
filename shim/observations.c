#include "shim/observations.h"

#include <string.h>

#include "scan/prim.h"
#include "shim/text.h"

enum { NAMES = 128, MEMORIES_BITS = 9, BLOCKS_BITS = 13, BLOCK_PAGES = 512 };

enum name_state { NAME_FREE, NAME_BEGUN, NAME_THERE };

static struct {
    struct {
        uint32_t key; /* 0: free, but for the first row, which is the others' */
        uint64_t amounts[OBSERVED_COUNT];
    } row[OBSERVED_ROWS];
    /* One that a signal handler never finished writing is passed over. Two threads may enter the same name.
     */
    struct {
        uint32_t state;
        char bytes[OBSERVED_NAME_SIZE];
    } name[NAMES];
    uint64_t memory[1 << MEMORIES_BITS]; /* the hashed key, with the name in its last byte */
    uint64_t page[1 << BLOCKS_BITS][BLOCK_PAGES / 64];
} state;

/* Odd, so that no two keys have the same hash. */
static uint64_t hash(uint64_t key)
{
    return key * 0x9e3779b97f4a7c15ULL;
}

/* ---- rows ---- */

static uint32_t pack(struct observed_key key)
{
    return (uint32_t)(key.hindrance + 1) << 24 | (uint32_t)key.size << 16 | (uint32_t)key.mapping << 8 |
           key.caller;
}

/* The key's row, which is entered if it is new; 0 when there is no room. */
static unsigned find_row(uint32_t key)
{
    unsigned first = (unsigned)(hash(key) >> 32);
    for (unsigned i = 0; i < OBSERVED_ROWS - 1; i++) {
        unsigned row = 1 + (first + i) % (OBSERVED_ROWS - 1);
        uint32_t found = __atomic_load_n(&state.row[row].key, __ATOMIC_RELAXED);
        if (found == 0 && __atomic_compare_exchange_n(&state.row[row].key, &found, key, false,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return row;
        if (found == key)
            return row;
    }
    return 0;
}

void observed_add(struct observed_key key, const uint64_t amounts[OBSERVED_COUNT])
{
    unsigned row = find_row(pack(key));
    for (unsigned i = 0; i < OBSERVED_COUNT; i++)
        if (amounts[i])
            __atomic_fetch_add(&state.row[row].amounts[i], amounts[i], __ATOMIC_RELAXED);
}

static const char *name_of(uint8_t name)
{
    return name ? state.name[name].bytes : "other";
}

bool observed_row(unsigned row, struct observed_row *shown)
{
    if (row >= OBSERVED_ROWS || !__atomic_load_n(&state.row[row].amounts[OBSERVED_calls], __ATOMIC_RELAXED))
        return false;
    uint32_t key = state.row[row].key;
    *shown = (struct observed_row){
        .caller = name_of((uint8_t)key),
        .mapping = name_of((uint8_t)(key >> 8)),
        .size = row ? 1ULL << (uint8_t)(key >> 16) : 0,
        .hindrance = row ? (enum reason)((key >> 24) - 1) : REASON_COUNT,
    };
    for (unsigned i = 0; i < OBSERVED_COUNT; i++)
        shown->amounts[i] = __atomic_load_n(&state.row[row].amounts[i], __ATOMIC_RELAXED);
    return true;
}

const char *observed_count_name(enum observed count)
{
    static const char *const names[] = {OBSERVED(ROW_NAME)};
    return names[count];
}

/* ---- pages ---- */

uint64_t observed_again(uintptr_t start, uintptr_t end)
{
    uint64_t again = 0;
    for (uint64_t page = start / PAGE; page < end / PAGE;) {
        unsigned first = page % 64;
        uint64_t left = end / PAGE - page, count = left < 64 - first ? left : 64 - first;
        uint64_t bits = (count == 64 ? ~0ULL : (1ULL << count) - 1) << first;
        uint64_t *word = &state.page[hash(page / BLOCK_PAGES) >> (64 - BLOCKS_BITS)][page % BLOCK_PAGES / 64];
        uint64_t before = __atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
        again += (uint64_t)__builtin_popcountll(before & bits);
        page += count;
    }
    return again;
}

/* ---- names ---- */

uint8_t observed_name(const char *name)
{
    for (unsigned i = 1; i < NAMES; i++) {
        uint32_t found = __atomic_load_n(&state.name[i].state, __ATOMIC_ACQUIRE);
        if (found == NAME_THERE && strncmp(state.name[i].bytes, name, OBSERVED_NAME_SIZE - 1) == 0)
            return (uint8_t)i;
        if (found == NAME_FREE && __atomic_compare_exchange_n(&state.name[i].state, &found, NAME_BEGUN, false,
                                                              __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            struct text text;
            text_start(&text, state.name[i].bytes, OBSERVED_NAME_SIZE);
            text_add(&text, name);
            __atomic_store_n(&state.name[i].state, NAME_THERE, __ATOMIC_RELEASE);
            return (uint8_t)i;
        }
    }
    return 0;
}

static uint64_t *memory_of(uint64_t key)
{
    return &state.memory[hash(key) >> (64 - MEMORIES_BITS)];
}

uint8_t observed_recall(uint64_t key)
{
    uint64_t word = __atomic_load_n(memory_of(key), __ATOMIC_RELAXED);
    return (word ^ hash(key)) >> 8 ? 0 : (uint8_t)word;
}

void observed_remember(uint64_t key, uint8_t name)
{
    __atomic_store_n(memory_of(key), (hash(key) & ~0xffULL) | name, __ATOMIC_RELAXED);
}

void observed_clear(void)
{
    memset(&state, 0, sizeof state);
}
