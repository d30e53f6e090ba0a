#include "shim/plan_cache.h"

#include "scan/piece.h"

#include "test/unit/unit.h"

#include <pthread.h>

enum { MIB = 1 << 20 };

static const struct plan_key key = {0x100000000, 0x100000000 + 4 * MIB, 0, 4};

static struct plan plan_of(uintptr_t end, int rule)
{
    struct plan plan = {.count = 1};
    plan.piece[0].end = end;
    plan.answer[0] = (struct plan_answer){REASON_COUNT, (int8_t)rule};
    return plan;
}

static void remember(const struct plan_key *which)
{
    struct plan plan = plan_of(which->end, 3);
    plan_cache_remember(which, plan_cache_era(which), &plan);
}

static bool is_known(const struct plan_key *which)
{
    struct plan found;
    return plan_cache_find(which, &found) && found.count == 1 && found.piece[0].end == which->end &&
           found.answer[0].rule == 3 && found.answer[0].hindrance == REASON_COUNT;
}

Test(plan_cache, finds_what_it_remembers)
{
    cr_assert_not(is_known(&key));
    remember(&key);
    cr_assert(is_known(&key));
}

Test(plan_cache, each_part_of_the_key_counts)
{
    struct plan_key other = key;
    remember(&key);
    other.end += 4096;
    cr_assert_not(is_known(&other));
    other = key;
    other.start += 4096;
    cr_assert_not(is_known(&other));
    other = key;
    other.callers = 1;
    cr_assert_not(is_known(&other));
    other = key;
    other.advice = 24;
    cr_assert_not(is_known(&other));
    cr_assert(is_known(&key));
}

static enum steady steady_of(const struct plan_key *which)
{
    struct plan found;
    return plan_cache_find(which, &found) ? (enum steady)found.steady : STEADY_NOT;
}

static void remember_plan(const struct plan *plan)
{
    plan_cache_remember(&key, plan_cache_era(&key), plan);
}

static void note(enum steady steady)
{
    plan_cache_note_steady(&key, plan_cache_era(&key), steady);
}

Test(plan_cache, says_that_calls_go_alike_until_they_do_not)
{
    struct plan_key other = key;
    struct plan plan = plan_of(key.end, 3);
    plan.promised = true;
    note(STEADY_SCAN);
    cr_assert_not(plan_cache_may_be_steady(key.start));
    remember_plan(&plan);
    cr_assert_not(plan_cache_may_be_steady(key.start));
    note(STEADY_SCAN);
    cr_assert(plan_cache_may_be_steady(key.start));
    cr_assert_not(plan_cache_may_be_steady(key.start + 4096));
    cr_assert_eq(steady_of(&key), STEADY_SCAN);
    cr_assert(is_known(&key));
    other.end += 4096;
    cr_assert_eq(steady_of(&other), STEADY_NOT);
    other = key;
    other.advice = 24;
    cr_assert_eq(steady_of(&other), STEADY_NOT);
    note(STEADY_WHOLE);
    cr_assert_eq(steady_of(&key), STEADY_WHOLE);
    note(STEADY_NOT);
    cr_assert_not(plan_cache_may_be_steady(key.start));
    cr_assert(is_known(&key));
    note(STEADY_WHOLE);
    uint64_t era = plan_cache_era(&key);
    plan_cache_forget(key.start + MIB, 4096);
    cr_assert_eq(steady_of(&key), STEADY_NOT);
    /* What was remembered since is another plan. */
    remember_plan(&plan);
    plan_cache_note_steady(&key, era, STEADY_WHOLE);
    cr_assert_eq(steady_of(&key), STEADY_NOT);
}

/* A call for which an entry was found that is another call's ends what it says, or each call from there would
   try it again. */
Test(plan_cache, what_was_tried_in_vain_is_not_tried_again)
{
    struct plan plan = plan_of(key.end, 3);
    struct plan_key other = key;
    other.end -= 4096;
    for (int own = 0; own < 2; own++) {
        remember_plan(&plan);
        note(STEADY_SCAN);
        plan_cache_end_steady(plan_cache_may_be_steady(key.start), own ? &key : &other);
        cr_assert_null(plan_cache_may_be_steady(key.start));
        cr_assert_eq(is_known(&key), own, "a plan of this key is kept, another is no plan any more");
    }
}

/* As many as a pool has slots. */
Test(plan_cache, a_thousand_ranges_have_their_plans)
{
    enum { RANGES = 1000 };
    struct plan_key range = key;
    unsigned known = 0;
    for (int round = 0; round < 2; round++)
        for (uintptr_t i = 0; i < RANGES; i++) {
            range.start = key.start + i * (MIB / 2);
            range.end = range.start + MIB / 2;
            known += round && is_known(&range);
            if (!round)
                remember(&range);
        }
    cr_assert_gt(known, RANGES * 9 / 10);
}

/* What the kernel told once, or what was promised; but not what is only read in maps. */
Test(plan_cache, what_is_in_doubt_goes_not_alike)
{
    struct plan plan = plan_of(key.end, 3);
    struct steady_plan found;
    for (int promised = 0; promised < 2; promised++) {
        plan.promised = promised;
        remember_plan(&plan);
        note(STEADY_SCAN);
        cr_assert_eq(plan_cache_steady(plan_cache_may_be_steady(key.start), &key, &found), STEADY_SCAN);
        cr_assert_eq(found.promised, promised);
    }
    plan.unconfirmed = true;
    remember_plan(&plan);
    note(STEADY_SCAN);
    cr_assert_eq(steady_of(&key), STEADY_NOT);
}

Test(plan_cache, an_image_that_may_change_or_end_early_is_not_plain)
{
    struct piece piece = {key.end, 8192, {.kind = IMAGE_SEALED, .size = 8192 + 4 * MIB}};
    cr_assert(piece_is_plain(&piece, key.start));
    piece.image.size--;
    cr_assert_not(piece_is_plain(&piece, key.start));
    piece.image.size++;
    piece.image.kind = IMAGE_STABLE;
    cr_assert_not(piece_is_plain(&piece, key.start));
    piece.image.kind = IMAGE_NONE;
    cr_assert(piece_is_plain(&piece, key.start));
}

Test(plan_cache, mapping_calls_end_it)
{
    remember(&key);
    plan_cache_forget(key.start + MIB, 4096);
    cr_assert_not(is_known(&key));
    remember(&key);
    plan_cache_forget(key.start - 4096, 8192);
    cr_assert_not(is_known(&key));
    remember(&key);
    plan_cache_forget_all();
    cr_assert_not(is_known(&key));
    remember(&key);
    plan_cache_forget(0x1000, UINTPTR_MAX - 0x2000); /* all memory */
    cr_assert_not(is_known(&key));
    remember(&key);
    plan_cache_forget(UINTPTR_MAX - 4095, 8192); /* wraps */
    cr_assert_not(is_known(&key));
    remember(&key);
    plan_cache_forget(key.start, 0);
    plan_cache_forget(key.start + 0x40000000, 4096); /* elsewhere */
    cr_assert(is_known(&key));
}

/* Any overlap of a forgotten range with a plan's ends it, wherever their granules begin. */
Test(plan_cache, every_overlap)
{
    for (uintptr_t i = 0; i < 4000; i++) {
        uintptr_t start = 0x200000000 + i * 3 * MIB, length = (1 + i % 300) * MIB;
        struct plan_key one = {start, start + length, 0, 4};
        remember(&one);
        cr_assert(is_known(&one));
        uintptr_t at = start + i * 7919 % (length / 4096) * 4096;
        plan_cache_forget(at, 4096);
        cr_assert_not(is_known(&one));
    }
}

/* A mapping call between the question and the answer. */
Test(plan_cache, an_old_era_is_not_believed)
{
    struct plan plan = plan_of(key.end, 3);
    uint64_t era = plan_cache_era(&key);
    plan_cache_forget(key.start, 4096);
    plan_cache_remember(&key, era, &plan);
    cr_assert_not(is_known(&key));
}

Test(plan_cache, keeps_only_short_plans_that_are_served)
{
    struct plan plan = {.count = 3};
    for (int i = 0; i < 3; i++)
        plan.piece[i].end = key.end, plan.answer[i].hindrance = REASON_COUNT;
    plan_cache_remember(&key, plan_cache_era(&key), &plan);
    struct plan found;
    cr_assert_not(plan_cache_find(&key, &found));
    plan = plan_of(key.end, 3);
    plan.answer[0].hindrance = REASON_shared;
    plan_cache_remember(&key, plan_cache_era(&key), &plan);
    cr_assert_not(plan_cache_find(&key, &found));
}

Test(plan_cache, keeps_doubt)
{
    struct plan plan = plan_of(key.end, 31), found;
    plan.unconfirmed = true;
    plan_cache_remember(&key, plan_cache_era(&key), &plan);
    cr_assert(plan_cache_find(&key, &found) && found.unconfirmed && found.answer[0].rule == 31);
}

enum { THREADS = 3, ROUNDS = 400000 };

/* All threads write plans for two keys of one place, so whoever finds one torn has found it by the right key;
   each plan tells its number in all that it says, and odd ones are those of the shorter key. */
static void *write_and_find(void *first)
{
    uintptr_t wrong = 0, finds = 0;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t number = i * THREADS + (uintptr_t)first, told;
        struct plan_key own = key;
        own.end -= number % 2 * 4096;
        struct plan plan = {.count = 2}, found;
        for (int j = 0; j < 2; j++)
            plan.piece[j] = (struct piece){.end = j ? own.end : number, .offset = number},
            plan.answer[j] = (struct plan_answer){REASON_COUNT, (int8_t)(number % 32)};
        plan_cache_remember(&own, plan_cache_era(&own), &plan);
        if (!plan_cache_find(&own, &found))
            continue;
        finds++;
        told = found.piece[0].end;
        wrong += found.piece[1].end != own.end || told % 2 != number % 2;
        for (int j = 0; j < 2; j++)
            wrong += found.piece[j].offset != told || found.answer[j].rule != (int)(told % 32);
    }
    return (void *)(finds ? wrong : ROUNDS);
}

Test(plan_cache, torn_entries_are_not_used)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_and_find, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        cr_assert_null(wrong);
    }
}
