#include "shim/plan_cache.h"

/* Mapping calls count up the granules they touch; a plan is true while the sum over its own stands. */
enum { GRANULE_BITS = 26, GRANULES = 64, PLANS_BITS = 8, CACHED_PIECES = 2 };

static uint64_t granules[GRANULES];

static unsigned granule_count(uintptr_t start, uintptr_t end)
{
    uint64_t touched = ((end - 1) >> GRANULE_BITS) - (start >> GRANULE_BITS) + 1;
    return touched < GRANULES ? (unsigned)touched : GRANULES;
}

void plan_cache_forget(uintptr_t start, uintptr_t length)
{
    uintptr_t end = start + length;
    if (!length)
        return;
    unsigned touched = end < start ? GRANULES : granule_count(start, end);
    for (unsigned i = 0; i < touched; i++)
        __atomic_fetch_add(&granules[((start >> GRANULE_BITS) + i) % GRANULES], 1, __ATOMIC_ACQ_REL);
}

void plan_cache_forget_all(void)
{
    for (unsigned i = 0; i < GRANULES; i++)
        __atomic_fetch_add(&granules[i], 1, __ATOMIC_ACQ_REL);
}

uint64_t plan_cache_era(const struct plan_key *key)
{
    uint64_t era = 0;
    unsigned touched = granule_count(key->start, key->end);
    for (unsigned i = 0; i < touched; i++)
        era += __atomic_load_n(&granules[((key->start >> GRANULE_BITS) + i) % GRANULES], __ATOMIC_ACQUIRE);
    return era;
}

#define LOAD(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define STORE(word, value) __atomic_store_n(&(word), value, __ATOMIC_RELAXED)

/* One plan as words. check ties them together: words of two writers do not fit, and then it is no entry. */
struct entry {
    uint64_t check, start, end, era, callers_advice, count_flags_matched;
    struct packed_piece {
        uint64_t end, offset, rule_slot_generation;
    } piece[CACHED_PIECES];
};

static struct entry entries[1 << PLANS_BITS];

static struct entry *place_of(const struct plan_key *key)
{
    return &entries[(key->start >> 12) * 0x9e3779b97f4a7c15ULL >> (64 - PLANS_BITS)];
}

/* count: 8 bits, two flags, matched: 32 bits. */
enum { UNCONFIRMED = 1 << 8, PROMISED = 1 << 9 };

static unsigned count_of(const struct entry *entry)
{
    return (unsigned)(entry->count_flags_matched & 255);
}

/* Products that do not wait for one another: 20 ns less than a chain of them. */
static uint64_t check_of(const struct entry *entry)
{
    static const uint64_t odd[CACHED_PIECES][3] = {
        {0x9531985d5d9dc9f9, 0xe8e25d940ed90475, 0x36f675cc81e74ef5},
        {0x1600a35a099950d9, 0x6b0d549b6f03675b, 0x3d9c172411e20b8f},
    };
    uint64_t check = entry->start * 0xf2a74de452e6b439 + entry->end * 0x6513270e269e0d37 +
                     entry->era * 0x0c5c7fd0a6a3a451 + entry->callers_advice * 0xd23f0824128b2f33 +
                     entry->count_flags_matched * 0x1818e811892f902b;
    for (unsigned i = 0; i < count_of(entry); i++) {
        const struct packed_piece *piece = &entry->piece[i];
        check += piece->end * odd[i][0] + piece->offset * odd[i][1] + piece->rule_slot_generation * odd[i][2];
    }
    return check ^ check >> 31;
}

/* rule: 8 bits, image slot: 16 bits, generation: 32 bits. */
enum { ANONYMOUS = 0xffff };
_Static_assert((int)IMAGES < (int)ANONYMOUS, "a piece fits one word");

static uint64_t pack_rule_and_image(int8_t rule, const struct image *image)
{
    uint64_t slot = image->kind == IMAGE_NONE ? ANONYMOUS : image->slot;
    return (uint64_t)(uint8_t)rule | slot << 8 | (uint64_t)image->generation << 32;
}

static bool unpack_image(uint64_t word, struct image *image)
{
    unsigned slot = word >> 8 & 0xffff;
    image->kind = IMAGE_NONE;
    return slot == ANONYMOUS || image_recall(slot, (uint32_t)(word >> 32), image);
}

static uint64_t callers_and_advice(const struct plan_key *key)
{
    return (uint64_t)key->callers << 32 | (uint32_t)key->advice;
}

/* Copies the key's entry; false when there is none, or when two writers' words are mixed. */
static bool read_entry(const struct plan_key *key, struct entry *entry)
{
    const struct entry *from = place_of(key);
    entry->start = LOAD(from->start);
    entry->end = LOAD(from->end);
    entry->era = LOAD(from->era);
    entry->callers_advice = LOAD(from->callers_advice);
    entry->count_flags_matched = LOAD(from->count_flags_matched);
    if (entry->start != key->start || entry->end != key->end ||
        entry->callers_advice != callers_and_advice(key) || count_of(entry) > CACHED_PIECES)
        return false;
    for (unsigned i = 0; i < count_of(entry); i++) {
        entry->piece[i].end = LOAD(from->piece[i].end);
        entry->piece[i].offset = LOAD(from->piece[i].offset);
        entry->piece[i].rule_slot_generation = LOAD(from->piece[i].rule_slot_generation);
    }
    return check_of(entry) == LOAD(from->check);
}

static void write_entry(const struct plan_key *key, const struct entry *entry)
{
    struct entry *to = place_of(key);
    STORE(to->check, check_of(entry));
    STORE(to->start, entry->start);
    STORE(to->end, entry->end);
    STORE(to->era, entry->era);
    STORE(to->callers_advice, entry->callers_advice);
    STORE(to->count_flags_matched, entry->count_flags_matched);
    for (unsigned i = 0; i < count_of(entry); i++) {
        STORE(to->piece[i].end, entry->piece[i].end);
        STORE(to->piece[i].offset, entry->piece[i].offset);
        STORE(to->piece[i].rule_slot_generation, entry->piece[i].rule_slot_generation);
    }
}

bool plan_cache_find(const struct plan_key *key, struct plan *plan)
{
    struct entry entry;
    if (!read_entry(key, &entry) || entry.era != plan_cache_era(key))
        return false;
    plan->count = count_of(&entry);
    plan->unconfirmed = entry.count_flags_matched & UNCONFIRMED;
    plan->promised = entry.count_flags_matched & PROMISED;
    plan->matched = (uint32_t)(entry.count_flags_matched >> 32);
    for (unsigned i = 0; i < plan->count; i++) {
        uint64_t word = entry.piece[i].rule_slot_generation;
        plan->answer[i] = (struct plan_answer){REASON_COUNT, (int8_t)(word & 255)};
        plan->piece[i].end = entry.piece[i].end;
        plan->piece[i].offset = entry.piece[i].offset;
        if (!unpack_image(word, &plan->piece[i].image))
            return false;
    }
    return true;
}

/* Its entry does not belong in the frame of a caller that goes on to ask the kernel. */
__attribute__((noinline)) void plan_cache_remember(const struct plan_key *key, uint64_t era,
                                                   const struct plan *plan)
{
    struct entry entry = {
        .start = key->start,
        .end = key->end,
        .era = era,
        .callers_advice = callers_and_advice(key),
        .count_flags_matched = plan->count | (plan->unconfirmed ? UNCONFIRMED : 0) |
                               (plan->promised ? PROMISED : 0) | (uint64_t)plan->matched << 32,
    };
    if (plan->count > CACHED_PIECES)
        return;
    for (unsigned i = 0; i < plan->count; i++) {
        if (plan->answer[i].hindrance != REASON_COUNT)
            return;
        entry.piece[i].end = plan->piece[i].end;
        entry.piece[i].offset = plan->piece[i].offset;
        entry.piece[i].rule_slot_generation =
            pack_rule_and_image(plan->answer[i].rule, &plan->piece[i].image);
    }
    write_entry(key, &entry);
}
