#include "shim/plan_cache.h"

#include <stddef.h>

#include "scan/call_path.h"
#include "scan/piece.h"

/* Mapping calls count up the granules they touch; a plan is true while the sum over its own stands. */
enum { GRANULE_BITS = 26, GRANULES = 64, SETS_BITS = 11, WAYS = 2 };

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

INLINED uint64_t plan_cache_era(const struct plan_key *key)
{
    uintptr_t at = key->start >> GRANULE_BITS, last = (key->end - 1) >> GRANULE_BITS;
    uint64_t era = __atomic_load_n(&granules[at % GRANULES], __ATOMIC_ACQUIRE);
    if (unlikely(last - at >= GRANULES))
        last = at + GRANULES - 1;
    while (unlikely(at < last))
        era += __atomic_load_n(&granules[++at % GRANULES], __ATOMIC_ACQUIRE);
    return era;
}

#define LOAD(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define STORE(word, value) __atomic_store_n(&(word), value, __ATOMIC_RELAXED)

/* One plan as words: what a plan of one piece has to say is one cache line. check ties them together: words
   of two writers do not fit, and then it is no plan. Nobody ever claims an entry, so none can be left
   claimed. */
struct plan_entry {
    uint64_t check, start, end, era, callers_advice, count_flags_matched;
    struct packed_piece {
        uint64_t rule_slot_generation, offset;
    } piece[CACHED_PIECES];
    uint64_t first_end; /* of the first piece of two; the last ends where the plan does */
} __attribute__((aligned(64)));
_Static_assert(CACHED_PIECES == 2, "one end is not the plan's");

static struct plan_entry entries[1 << SETS_BITS][WAYS];

static inline uint64_t hash_of(uintptr_t start)
{
    return (start >> 12) * 0x9e3779b97f4a7c15ULL >> (64 - 1 - SETS_BITS);
}

/* The plan for calls that start there, or NULL. Which way it is in cannot be foreseen: no branch asks. */
static inline struct plan_entry *entry_of(uintptr_t start)
{
    struct plan_entry *set = entries[hash_of(start) / WAYS];
    struct plan_entry *entry = set + (LOAD(set[0].start) != start);
    return likely(LOAD(entry->start) == start) ? entry : NULL;
}

/* Where it is, or would be. */
static struct plan_entry *place_of(uintptr_t start)
{
    struct plan_entry *entry = entry_of(start);
    uint64_t hash = hash_of(start);
    return entry ? entry : &entries[hash / WAYS][hash % WAYS];
}
_Static_assert(WAYS == 2, "one more bit chooses which of them makes room");

/* count: 8 bits, two flags, steady: 3 bits, matched: 32 bits. */
enum { UNCONFIRMED = 1 << 8, PROMISED = 1 << 9, STEADY_SHIFT = 10, STEADY_MASK = 7 << STEADY_SHIFT };

static uint64_t callers_and_advice(const struct plan_key *key)
{
    return (uint64_t)key->callers << 32 | (uint32_t)key->advice;
}

/* Primes that fit an instruction, whose multiples by small numbers and by powers of two do not meet. Products
   that do not wait for one another: 20 ns less than a chain of them. */
static inline uint64_t check_of_call(const struct plan_key *key, uint64_t era, uint64_t count_flags_matched)
{
    return key->start * 0x6ed9eba1 + key->end * 0x5be0cd19 + era * 0x71374491 +
           callers_and_advice(key) * 0x3956c25b + count_flags_matched * 0x59f111f1;
}

static inline uint64_t check_of_piece(unsigned i, const struct packed_piece *piece)
{
    return piece->rule_slot_generation * (i ? 0x550c7dc3 : 0x12835b01) +
           piece->offset * (i ? 0x76f988db : 0x243185bf);
}

static inline uint64_t check_of_first_end(uint64_t end)
{
    return end * 0x4a7484ab;
}

static inline uint64_t check_of_sum(uint64_t sum)
{
    return sum ^ sum >> 31;
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

static inline bool is_for(const struct plan_entry *entry, const struct plan_key *key, uint64_t era)
{
    return !((LOAD(entry->start) ^ key->start) | (LOAD(entry->end) ^ key->end) |
             (LOAD(entry->callers_advice) ^ callers_and_advice(key)) | (LOAD(entry->era) ^ era));
}

/* An entry's plan: its head, and its pieces' words and images. */
struct unpacked {
    uint64_t era, head, answers[CACHED_PIECES];
    unsigned count;
};

/* The words are read straight into the pieces, which say nothing where this returns false. */
ALWAYS_INLINE bool read_entry(const struct plan_entry *entry, const struct plan_key *key,
                              struct piece piece[CACHED_PIECES], struct unpacked *found)
{
    found->era = plan_cache_era(key);
    found->head = LOAD(entry->count_flags_matched);
    found->count = found->head & 255;
    uint64_t sum = check_of_call(key, found->era, found->head);
    if (unlikely(!is_for(entry, key, found->era) || found->count - 1 >= CACHED_PIECES))
        return false;
    piece[0].end = key->end;
    piece[1].end = key->end;
    if (unlikely(found->count > 1)) {
        piece[0].end = LOAD(entry->first_end);
        sum += check_of_first_end(piece[0].end);
    }
#pragma GCC unroll 2
    for (unsigned i = 0; i < found->count; i++) {
        struct packed_piece packed = {LOAD(entry->piece[i].rule_slot_generation),
                                      LOAD(entry->piece[i].offset)};
        piece[i].offset = packed.offset;
        found->answers[i] = packed.rule_slot_generation;
        sum += check_of_piece(i, &packed);
    }
    if (unlikely(check_of_sum(sum) != LOAD(entry->check)))
        return false;
#pragma GCC unroll 2
    for (unsigned i = 0; i < found->count; i++)
        if (unlikely(!unpack_image(found->answers[i], &piece[i].image)))
            return false;
    return true;
}

static inline enum steady steady_of(uint64_t head)
{
    return (enum steady)((head & STEADY_MASK) >> STEADY_SHIFT);
}

INLINED bool plan_cache_find(const struct plan_key *key, struct plan *plan)
{
    struct unpacked found;
    const struct plan_entry *entry = entry_of(key->start);
    if (!entry || unlikely(!read_entry(entry, key, plan->piece, &found)))
        return false;
    plan->count = found.count;
    plan->unconfirmed = found.head & UNCONFIRMED;
    plan->promised = found.head & PROMISED;
    plan->cached = true;
    plan->era = found.era;
    plan->steady = steady_of(found.head);
    plan->matched = (uint32_t)(found.head >> 32);
    for (unsigned i = 0; i < found.count; i++)
        plan->answer[i] = (struct plan_answer){REASON_COUNT, (int8_t)(found.answers[i] & 255)};
    return true;
}

INLINED enum steady plan_cache_steady(const struct plan_entry *entry, const struct plan_key *key,
                                      struct steady_plan *plan)
{
    struct unpacked found;
    if (unlikely(!read_entry(entry, key, plan->piece, &found)))
        return STEADY_NOT;
    plan->count = found.count;
    plan->matched = (uint32_t)(found.head >> 32);
    plan->rule = (uint8_t)found.answers[0];
    plan->promised = found.head & PROMISED;
    return steady_of(found.head);
}

void plan_cache_remember(const struct plan_key *key, uint64_t era, const struct plan *plan)
{
    uint64_t head = plan->count | (plan->unconfirmed ? UNCONFIRMED : 0) | (plan->promised ? PROMISED : 0) |
                    (uint64_t)plan->steady << STEADY_SHIFT | (uint64_t)plan->matched << 32;
    uint64_t sum = check_of_call(key, era, head);
    struct plan_entry *entry = place_of(key->start);
    if (plan->count - 1 >= CACHED_PIECES || plan->piece[plan->count - 1].end != key->end)
        return;
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->answer[i].hindrance != REASON_COUNT)
            return;
    STORE(entry->start, key->start);
    STORE(entry->end, key->end);
    STORE(entry->era, era);
    STORE(entry->callers_advice, callers_and_advice(key));
    STORE(entry->count_flags_matched, head);
    for (unsigned i = 0; i < plan->count; i++) {
        struct packed_piece packed = {pack_rule_and_image(plan->answer[i].rule, &plan->piece[i].image),
                                      plan->piece[i].offset};
        STORE(entry->piece[i].rule_slot_generation, packed.rule_slot_generation);
        STORE(entry->piece[i].offset, packed.offset);
        sum += check_of_piece(i, &packed);
    }
    if (plan->count > 1) {
        STORE(entry->first_end, plan->piece[0].end);
        sum += check_of_first_end(plan->piece[0].end);
    }
    STORE(entry->check, check_of_sum(sum));
}

INLINED struct plan_entry *plan_cache_may_be_steady(uintptr_t start)
{
    struct plan_entry *entry = entry_of(start);
    return likely(entry && LOAD(entry->count_flags_matched) & STEADY_MASK) ? entry : NULL;
}

bool plan_cache_can_be_steady(const struct plan_key *key, const struct plan *plan)
{
    uintptr_t start = key->start;
    for (unsigned i = 0; i < plan->count; start = plan->piece[i++].end)
        if (!piece_is_plain(&plan->piece[i], start))
            return false;
    return start == key->end && plan->count <= CACHED_PIECES && !plan->unconfirmed;
}

/* Rare, and its plan does not belong in the frame of a caller. */
__attribute__((noinline)) void plan_cache_note_steady(const struct plan_key *key, uint64_t era,
                                                      enum steady steady)
{
    struct plan plan;
    if (!plan_cache_find(key, &plan) || plan.era != era || !plan_cache_can_be_steady(key, &plan))
        return;
    plan.steady = (uint8_t)steady;
    plan_cache_remember(key, era, &plan);
}

void plan_cache_end_steady(struct plan_entry *entry, const struct plan_key *key)
{
    plan_cache_note_steady(key, plan_cache_era(key), STEADY_NOT);
    /* Of another key, or out of date: without the flag it does not fit its check, and is no plan. */
    uint64_t head = LOAD(entry->count_flags_matched);
    if (head & STEADY_MASK)
        STORE(entry->count_flags_matched, head & ~(uint64_t)STEADY_MASK);
}
