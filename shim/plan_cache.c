#include "shim/plan_cache.h"

#include <string.h>

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

/* One plan as words. check ties them together: words of two writers do not fit, and then it is no entry. */
struct entry {
    uint64_t start, end, era, callers_advice;
    uint64_t count_unconfirmed;
    struct {
        uint64_t end, offset, rule_slot_generation;
    } piece[CACHED_PIECES];
};
enum { ENTRY_WORDS = sizeof(struct entry) / sizeof(uint64_t) };

static struct {
    uint64_t check, words[ENTRY_WORDS];
} entries[1 << PLANS_BITS];

static unsigned index_of(const struct plan_key *key)
{
    return (unsigned)((key->start >> 12) * 0x9e3779b97f4a7c15ULL >> (64 - PLANS_BITS));
}

/* Products that do not wait for one another: 20 ns less than a chain of them. */
static uint64_t check_of(const uint64_t words[ENTRY_WORDS])
{
    static const uint64_t odd[ENTRY_WORDS] = {
        0xf2a74de452e6b439, 0x6513270e269e0d37, 0x0c5c7fd0a6a3a451, 0xd23f0824128b2f33,
        0x1818e811892f902b, 0x9531985d5d9dc9f9, 0xe8e25d940ed90475, 0x36f675cc81e74ef5,
        0x1600a35a099950d9, 0x6b0d549b6f03675b, 0x3d9c172411e20b8f,
    };
    uint64_t check = 0;
    for (unsigned i = 0; i < ENTRY_WORDS; i++)
        check += words[i] * odd[i];
    return check ^ check >> 31;
}

/* rule: 8 bits, image slot: 16 bits, generation: 32 bits. */
enum { ANONYMOUS = 0xffff };
_Static_assert((int)IMAGES < (int)ANONYMOUS && RULES_MAX <= 256, "a piece fits one word");

static uint64_t pack_piece(const struct plan_piece *piece)
{
    uint64_t slot = piece->image.kind == IMAGE_NONE ? ANONYMOUS : piece->image.slot;
    return (uint64_t)(uint8_t)piece->rule | slot << 8 | (uint64_t)piece->image.generation << 32;
}

static bool unpack_piece(uint64_t word, struct plan_piece *piece)
{
    unsigned slot = word >> 8 & 0xffff;
    piece->hindrance = REASON_COUNT;
    piece->rule = (int)(word & 255);
    piece->image.kind = IMAGE_NONE;
    return slot == ANONYMOUS || image_recall(slot, (uint32_t)(word >> 32), &piece->image);
}

bool plan_cache_find(const struct plan_key *key, struct plan *plan)
{
    uint64_t words[ENTRY_WORDS];
    unsigned index = index_of(key);
    if (__atomic_load_n(&entries[index].words[0], __ATOMIC_RELAXED) != key->start)
        return false;
    for (unsigned i = 0; i < ENTRY_WORDS; i++)
        words[i] = __atomic_load_n(&entries[index].words[i], __ATOMIC_RELAXED);
    struct entry entry;
    memcpy(&entry, words, sizeof entry);
    uint64_t callers_advice = (uint64_t)key->callers << 32 | (uint32_t)key->advice;
    if (entry.end != key->end || entry.callers_advice != callers_advice || entry.era != plan_cache_era(key) ||
        check_of(words) != __atomic_load_n(&entries[index].check, __ATOMIC_RELAXED))
        return false;
    plan->count = (unsigned)(entry.count_unconfirmed & 255);
    plan->unconfirmed = entry.count_unconfirmed >> 8;
    for (unsigned i = 0; i < plan->count; i++) {
        plan->piece[i].end = entry.piece[i].end;
        plan->piece[i].offset = entry.piece[i].offset;
        if (!unpack_piece(entry.piece[i].rule_slot_generation, &plan->piece[i]))
            return false;
    }
    return true;
}

void plan_cache_remember(const struct plan_key *key, uint64_t era, const struct plan *plan)
{
    struct entry entry = {
        .start = key->start,
        .end = key->end,
        .era = era,
        .callers_advice = (uint64_t)key->callers << 32 | (uint32_t)key->advice,
        .count_unconfirmed = plan->count | (uint64_t)plan->unconfirmed << 8,
    };
    if (plan->count > CACHED_PIECES)
        return;
    for (unsigned i = 0; i < plan->count; i++) {
        if (plan->piece[i].hindrance != REASON_COUNT)
            return;
        entry.piece[i].end = plan->piece[i].end;
        entry.piece[i].offset = plan->piece[i].offset;
        entry.piece[i].rule_slot_generation = pack_piece(&plan->piece[i]);
    }
    uint64_t words[ENTRY_WORDS];
    memcpy(words, &entry, sizeof words);
    unsigned index = index_of(key);
    __atomic_store_n(&entries[index].check, check_of(words), __ATOMIC_RELAXED);
    for (unsigned i = 0; i < ENTRY_WORDS; i++)
        __atomic_store_n(&entries[index].words[i], words[i], __ATOMIC_RELAXED);
}
