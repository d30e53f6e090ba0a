/* What resets keep stays within the budget, goes to the ranges that are reset most, and is given back by
   memory that went away unseen. Nothing here is timed: counts, with wide margins. */
#include "test/places/place.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MIB = 1 << 20, BUDGET = 64 * MIB, SLOTS = 1000, SLACK = 8 * MIB };

static unsigned char *slot[SLOTS];

static void map_slots(size_t from, size_t to, size_t length)
{
    for (size_t i = from; i < to; i++) {
        slot[i] = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (slot[i] == MAP_FAILED)
            exit(CASE_FAILED);
        madvise(slot[i], length, MADV_NOHUGEPAGE);
    }
}

static uint64_t resident_bytes(void)
{
    unsigned long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2)
        exit(CASE_FAILED);
    fclose(file);
    return (uint64_t)resident * PLACE_PAGE;
}

/* False when what the program then sees is wrong: one byte of each cache line is looked at. */
static bool use(size_t i, size_t length)
{
    unsigned differences = 0;
    make_dirty(slot[i], length);
    if (madvise(slot[i], length, MADV_DONTNEED) != 0)
        return false;
    for (size_t at = 0; at < length; at += 64)
        differences |= slot[i][at];
    return !differences;
}

static int uses_in_turn(void)
{
    map_slots(0, SLOTS, MIB);
    uint64_t base = resident_bytes(), kept;
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < SLOTS; i++) {
            EXPECT(use(i, MIB));
            EXPECT((kept = kept_bytes()) <= BUDGET + MIB);
        }
        EXPECT(resident_bytes() <= base + BUDGET + MIB + SLACK);
    }
    EXPECT(kept >= BUDGET / 2);
    return CASE_PASSED;
}

/* Of what a long reset keeps, a short one at the same place sees only the beginning. */
static int short_resets_hide_nothing(void)
{
    map_slots(0, SLOTS, MIB);
    uint64_t base = resident_bytes();
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < SLOTS; i++)
            EXPECT(use(i, MIB) && use(i, PLACE_PAGE));
        EXPECT(resident_bytes() <= base + BUDGET + MIB + SLACK);
    }
    EXPECT(kept_bytes() >= BUDGET / 2);
    return CASE_PASSED;
}

/* Cold slots come first and fill the budget; then come hot ones, each of which is reset before every next few
   cold ones. Most of the hot resets are then served. */
static int hot_come_late(size_t hot, size_t cold_between)
{
    enum { COLD = 150, ROUNDS = 450 };
    map_slots(0, COLD + hot, MIB);
    for (size_t i = 0; i < 3 * COLD; i++)
        EXPECT(use(i % COLD, MIB));
    EXPECT(kept_bytes() >= BUDGET / 2);
    uint64_t served = 0;
    for (size_t round = 0, next = 0; round < ROUNDS; round++) {
        uint64_t before = counter("served");
        for (size_t i = 0; i < hot; i++)
            EXPECT(use(COLD + i, MIB));
        served += round >= ROUNDS / 3 * 2 ? counter("served") - before : 0;
        for (size_t i = 0; i < cold_between; i++)
            EXPECT(use(next++ % COLD, MIB));
    }
    printf("%d of %zu resets of hot slots served\n", (int)served, hot * (ROUNDS / 3));
    EXPECT(served >= hot * (ROUNDS / 3) / 2);
    EXPECT(kept_bytes() >= BUDGET / 4);
    return CASE_PASSED;
}

static int many_hot_come_late(void)
{
    return hot_come_late(16, 1);
}

static int one_hot_among_many_cold(void)
{
    return hot_come_late(1, 30);
}

static void unmap_unseen(void *start, size_t length)
{
    if (raw_call(SYS_munmap, (long)start, (long)length, 0, 0))
        exit(CASE_FAILED);
}

/* After memory that kept much went away, is other memory served as if it had never been? */
static int replaces_the_dead(size_t dead, size_t length, size_t live)
{
    enum { ROUNDS = 400 };
    static unsigned char *old[1 << 15];
    for (size_t i = 0; i < dead; i++) {
        slot[0] = old[i] = dirty_memory(length);
        EXPECT(use(0, length) && use(0, length) && use(0, length));
    }
    EXPECT(kept_bytes() >= BUDGET / 2);
    map_slots(0, live, MIB); /* at other addresses */
    for (size_t i = 0; i < dead; i++)
        unmap_unseen(old[i], length);
    uint64_t before = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        before = round == ROUNDS / 2 ? counter("served") : before;
        for (size_t i = 0; i < live; i++)
            EXPECT(use(i, MIB));
    }
    uint64_t served = counter("served") - before;
    printf("%d of %zu resets served\n", (int)served, live * ROUNDS / 2);
    EXPECT(served >= live * ROUNDS / 2 / 2);
    return CASE_PASSED;
}

static int unseen_unmappings_free_the_budget(void)
{
    return replaces_the_dead(64, MIB, 40);
}

/* Of one page each, more than are remembered: there is budget, but no place to remember more. */
static int unseen_unmappings_free_the_table(void)
{
    return replaces_the_dead(20000, PLACE_PAGE, 4);
}

enum { HEAP = 16384, LONGEST = 256 }; /* pages */

static size_t random_place(int reset, size_t *pages)
{
    (void)reset;
    *pages = 1 + (size_t)random() % LONGEST;
    return (size_t)random() % (HEAP - *pages);
}

static size_t next_window(int reset, size_t *pages)
{
    *pages = LONGEST;
    return (size_t)reset * 16 % (HEAP - LONGEST);
}

/* An allocator splits and merges its extents: each range overlaps many that were reset before, and between
   them come ranges that overlap nothing. What stays resident cannot be more than the heap, and so the budget
   must never seem spent. */
static int count_once(size_t place(int reset, size_t *pages))
{
    enum { RESETS = 20000, LONE = 64, LONE_PAGES = 16 };
    unsigned char *heap = dirty_memory((size_t)HEAP * PLACE_PAGE),
                  *lone = dirty_memory((size_t)LONE * 2 * LONE_PAGES * PLACE_PAGE);
    uint64_t most = 0;
    srandom(1);
    for (int i = 0; i < RESETS; i++) {
        size_t pages, page = place(i, &pages);
        slot[0] = heap + page * PLACE_PAGE;
        EXPECT(use(0, pages * PLACE_PAGE));
        slot[0] = lone + (size_t)(i % LONE) * 2 * LONE_PAGES * PLACE_PAGE;
        EXPECT(use(0, (size_t)LONE_PAGES * PLACE_PAGE));
        most = kept_bytes() > most ? kept_bytes() : most;
    }
    printf("at most %lu MiB of %d kept\n", most / MIB, HEAP * PLACE_PAGE / MIB);
    EXPECT(most >= (uint64_t)HEAP * PLACE_PAGE / 2);
    EXPECT(most <= (uint64_t)HEAP * PLACE_PAGE * 3);
    /* A place in the table may be wanting now and then. */
    EXPECT(counter("declined.budget") <= RESETS / 100);
    return CASE_PASSED;
}

static int overlapping_ranges_count_once(void)
{
    return count_once(random_place);
}

static int overlapping_windows_count_once(void)
{
    return count_once(next_window);
}

/* A range that the table has no place for is left alone: nothing is restored first, to be given back then. */
static int a_full_table_costs_no_restore(void)
{
    enum { RANGES = 20000 };
    unsigned char *memory = dirty_memory((size_t)RANGES * 2 * PLACE_PAGE);
    for (size_t i = 0; i < RANGES; i++) {
        slot[0] = memory + i * 2 * PLACE_PAGE;
        EXPECT(use(0, PLACE_PAGE));
    }
    EXPECT(counter("declined.budget") >= RANGES / 4);
    EXPECT(counter("pages_restored") == counter("served"));
    return CASE_PASSED;
}

/* A range that is written whole without a look at what is remembered of it: after a real call, which has
   emptied it, what it keeps again is accounted for. */
static int what_is_written_whole_is_counted(void)
{
    enum { RANGES = 60, LENGTH = 16 * PLACE_PAGE };
    map_slots(0, RANGES, 2 * LENGTH);
    for (size_t i = 0; i < RANGES; i++) {
        EXPECT(munmap(slot[i] + LENGTH, LENGTH) == 0);
        for (int cycle = 0; cycle < 300; cycle++)
            EXPECT(use(i, LENGTH));
    }
    EXPECT(kept_bytes() == (uint64_t)RANGES * LENGTH);
    for (size_t i = 0; i < RANGES; i++)
        EXPECT(madvise(slot[i], 2 * LENGTH, MADV_DONTNEED) == -1);
    EXPECT(kept_bytes() == 0);
    for (size_t i = 0; i < RANGES; i++)
        EXPECT(use(i, LENGTH) && use(i, LENGTH));
    EXPECT(kept_bytes() == (uint64_t)RANGES * LENGTH);
    return CASE_PASSED;
}

static uint64_t resident_pages(const unsigned char *memory, size_t pages)
{
    unsigned char page[256];
    uint64_t resident = 0;
    if (mincore((void *)(uintptr_t)memory, pages * PLACE_PAGE, page))
        exit(CASE_FAILED);
    for (size_t i = 0; i < pages; i++)
        resident += page[i] & 1;
    return resident;
}

static bool use_pages(unsigned char *memory, size_t first, size_t count, size_t length)
{
    for (size_t i = 0; i < count; i++)
        memory[(first + 2 * i) * PLACE_PAGE + 7] = 1;
    return madvise(memory, length * PLACE_PAGE, MADV_DONTNEED) == 0 && !memory[first * PLACE_PAGE + 7];
}

/* A call that begins where a well-known one does, but is longer and another rule's: what it kept is no part
   of what the shorter one is known to keep. */
static int a_longer_call_between(void)
{
    enum { RANGES = 100, SHORT = 64, LONG = 128, KEEP = 10 };
    uint64_t resident = 0;
    map_slots(0, RANGES, (LONG + 1) * PLACE_PAGE);
    for (size_t i = 0; i < RANGES; i++) {
        EXPECT(mprotect(slot[i] + LONG * PLACE_PAGE, PLACE_PAGE, PROT_NONE) == 0);
        for (int cycle = 0; cycle < 300; cycle++)
            EXPECT(use_pages(slot[i], 0, KEEP, SHORT));
        EXPECT(use_pages(slot[i], SHORT + 6, KEEP, LONG));
        EXPECT(use_pages(slot[i], 0, 2 * KEEP, SHORT));
        EXPECT(resident_pages(slot[i], SHORT) <= KEEP);
        resident += resident_pages(slot[i], LONG);
    }
    EXPECT(kept_bytes() >= resident * PLACE_PAGE / 8 * 7);
    return CASE_PASSED;
}

int main(int argc, char **argv)
{
    static const struct place_case cases[] = {
        {"uses_in_turn", NULL, "budget=64M", uses_in_turn},
        {"uses_in_turn_scanned", "any,policy=scan", "budget=64M", uses_in_turn},
        {"short_resets_hide_nothing", NULL, "budget=64M", short_resets_hide_nothing},
        {"short_resets_hide_nothing_scanned", "any,policy=scan", "budget=64M", short_resets_hide_nothing},
        {"many_hot_come_late", NULL, "budget=64M", many_hot_come_late},
        {"many_hot_come_late_scanned", "any,policy=scan", "budget=64M", many_hot_come_late},
        {"one_hot_among_many_cold", NULL, "budget=64M", one_hot_among_many_cold},
        {"unseen_unmappings_free_the_budget", NULL, "budget=64M", unseen_unmappings_free_the_budget},
        {"unseen_unmappings_free_the_table", "any,policy=scan", "budget=64M",
         unseen_unmappings_free_the_table},
        {"overlapping_ranges_count_once", "any,policy=scan", "budget=256M", overlapping_ranges_count_once},
        {"overlapping_windows_count_once", "any,policy=scan", "budget=256M", overlapping_windows_count_once},
        {"what_is_written_whole_is_counted", "any,vma=cache", "budget=64M", what_is_written_whole_is_counted},
        {"a_longer_call_between", "any,max=256K,vma=cache,keep=40K;any", "budget=64M", a_longer_call_between},
        {"a_full_table_costs_no_restore", "any,policy=scan", "budget=256M", a_full_table_costs_no_restore},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
