#include "scan/pagemap.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "scan/call_path.h"
#include "scan/prim.h"
#include "scan/threads.h"

/* Of a count, which stops where it has found enough: mostly holes, 18 ns for each 2 MiB (6.18), and 0.5 us
   where page tables were left empty: 130 us. */
#define COUNT_SLICE ((uintptr_t)512 << 20)

/* A scan holds mmap_lock for reading. A writer (mmap, mprotect) that finds it so spins for 10 us, then
   sleeps; and while it takes tens of us to wake up, the next scan has the lock again: readers pass a sleeping
   writer until it has waited for a tick, 4 to 8 ms (kernel/locking/rwsem.c, 6.18: rwsem_rspin_threshold, the
   lock stealing in rwsem_down_read_slowpath, RWSEM_WAIT_TIMEOUT). So a long scan leaves the lock now and
   then, and a thread whose scans have had it for long stays away from it when it sees that a writer sleeps.
   To leave it costs as much as a scan of nothing, 0.2 to 0.9 us, and to look for writers 0.7. */
enum {
    HOLD = 25000,                          /* ns of the slices behind the first one, */
    HELD_LONG = 20000,                     /* ns of one or more, after which it looks for writers */
    PAUSES = 1000,                         /* PAUSE instructions: 18 us here, 40 where one takes longest */
    SLICE_LEAST = (256 << 10) / PAGE,      /* of clean pages of a file, cold: 2 us */
    SLICE_OF_FILE = (8 << 20) / PAGE,      /* of them the first time: 65 us */
    SLICE_AT_FIRST = PAGEMAP_SLICE / PAGE, /* page tables that hold a page or two: 25 us, */
    SLICE_MOST = 4 * SLICE_AT_FIRST,       /* and holes, as long as there was no more: 2 us */
    ROUNDS = 3,                            /* that must all say that a writer waits */
    STEP = 4, /* at most by this factor: a slice may have waited for the lock, or for a CPU */
};

/* Does a writer sleep for mmap_lock? Nothing says so, but who read-locks it then takes the slow path, and
   wakes the writer: msync of a page, which does, takes three times as long as msync of nothing, which does
   not, and 1.7 times otherwise (6.18, a virtual machine). The first one is not timed: it brings the mapping
   into the caches. Of the others the shortest tell, as nothing but a writer makes them all long. */
static bool a_writer_waits(uintptr_t page)
{
    uint64_t unlocked = UINT64_MAX, locked = UINT64_MAX;
    prim_msync(page, PAGE, MS_ASYNC);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t start = prim_now();
        prim_msync(page, 0, MS_ASYNC);
        uint64_t middle = prim_now();
        prim_msync(page, PAGE, MS_ASYNC);
        uint64_t end = prim_now();
        unlocked = middle - start < unlocked ? middle - start : unlocked;
        locked = end - middle < locked ? end - middle : locked;
        if (10 * locked <= 22 * unlocked)
            return false;
    }
    return true;
}

/* For how long, in ns, this thread's scans have had the lock since it looked for writers: those that were
   timed, and what is guessed of later ones. */
static __thread __attribute__((tls_model("initial-exec"))) struct {
    uint64_t known, guessed;
} held;

/* Before a scan. To sleep would take 60 us at the least. Threads that libc does not know of may wait for a
   tick. */
static __attribute__((noinline)) void let_writers_in(uintptr_t page)
{
    held.known = 0;
    if (!has_threads() || !a_writer_waits(page))
        return;
    for (int i = 0; i < PAUSES; i++)
        __builtin_ia32_pause();
}

/* include/uapi/linux/fs.h: struct pm_scan_arg. */
struct scan_argument {
    uint64_t size, flags, start, end, walk_end, vector, vector_length, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN_REQUEST _IOWR('f', 16, struct scan_argument)

static uint64_t first_slice(const struct pagemap_scan *scan)
{
    bool much_of_file = scan->file_end > scan->position + (uintptr_t)SLICE_OF_FILE * PAGE;
    return unlikely(much_of_file) ? SLICE_OF_FILE : SLICE_AT_FIRST;
}

/* Expects that what comes is like the pages just passed over in so many ns. */
static uint64_t next_slice(uint64_t slice, uint64_t slice_most, uint64_t passed, uint64_t ns)
{
    uint64_t least = slice / STEP > SLICE_LEAST ? slice / STEP : SLICE_LEAST;
    uint64_t most = slice * STEP < slice_most ? slice * STEP : slice_most;
    uint64_t next = ns ? passed * HOLD / ns : most;
    return next < least ? least : next > most ? most : next;
}

/* At most how long a scan took that was not timed: mostly it is page tables out of the caches, if each holds
   but a page or two, and the struct pages of a file's, as if all were present. What is dense takes longer,
   and is out of the lock for longer still while it is restored. Short scans count too: where those of 3 us
   did not, 0.1 % of another thread's mprotects took 0.4 to 0.9 ms, else 0.09. */
static inline uint64_t expected_ns(uint64_t pages, uint64_t file_pages, uint64_t found)
{
    enum { TABLE_PAGES = 512, TABLE = 700, FILE_PAGE = 20 };
    uint64_t tables = pages / TABLE_PAGES;
    return FILE_PAGE * file_pages + TABLE * (found < tables ? found : tables);
}

static inline uint64_t file_pages_of(const struct pagemap_scan *scan, uintptr_t end)
{
    uintptr_t file_end = scan->file_end < end ? scan->file_end : end;
    return unlikely(file_end > scan->position) ? (file_end - scan->position) / PAGE : 0;
}

/* A scan was timed. Where it took less than would have been guessed, so did those before it. */
static __attribute__((noinline)) void note_time(uint64_t taken, uint64_t expected)
{
    held.known += taken + (taken < expected ? held.guessed * taken / expected : held.guessed);
    held.guessed = 0;
}

INLINED int pagemap_next(struct pagemap_scan *scan, uint64_t max_pages)
{
    uint64_t slice = scan->slice ? scan->slice : first_slice(scan);
    bool last = (scan->end - scan->position) / PAGE <= slice;
    uintptr_t end = likely(last) ? scan->end : scan->position + slice * PAGE;
    struct scan_argument argument = {
        .size = sizeof argument,
        .start = scan->position,
        .end = end,
        .vector = (uintptr_t)scan->regions,
        .vector_length = scan->capacity,
        .max_pages = max_pages,
        .category_inverted = scan->complement ? CATEGORY_PRESENT : scan->clean,
        .category_mask = scan->complement ? 0 : scan->clean,
        .category_anyof_mask =
            CATEGORY_PRESENT | (scan->complement ? scan->clean | scan->asked : CATEGORY_SWAPPED),
        .return_mask = scan->asked,
    };
    if (unlikely(held.known >= HELD_LONG))
        let_writers_in(scan->position);
    bool timed = !last || held.guessed >= HELD_LONG;
    uint64_t before = unlikely(timed) ? prim_now() : 0;
    long count = prim_ioctl(scan->fd, PAGEMAP_SCAN_REQUEST, &argument);
    if (unlikely(prim_failed(count)))
        return (int)count;
    /* A full vector or the page limit ends the walk early: go on from walk_end, never from the slice's end.
       walk_end has also been seen unmoved by nothing but a broken kernel: that must not loop. */
    if (unlikely(argument.walk_end <= scan->position || argument.walk_end > end))
        return -EIO;
    uint64_t passed = (argument.walk_end - scan->position) / PAGE;
    uint64_t expected = expected_ns(passed, file_pages_of(scan, argument.walk_end), (uint64_t)count);
    scan->position = argument.walk_end;
    if (likely(!timed)) {
        held.guessed += expected;
        return (int)count;
    }
    uint64_t taken = prim_now() - before;
    uint64_t most = scan->file_end > scan->position ? SLICE_AT_FIRST : SLICE_MOST;
    note_time(taken, expected);
    if (!last)
        scan->slice = next_slice(slice, most, passed, taken);
    return (int)count;
}

static uint64_t faults_of(const struct page_region *region)
{
    enum { AROUND = 16 }; /* fault_around_bytes (mm/memory.c), unless it was changed */
    uint64_t pages = (region->end - region->start) / PAGE;
    return region->categories & CATEGORY_FILE ? (pages + AROUND - 1) / AROUND : pages;
}

static void add_found(struct pagemap_found *found, const struct page_region *region)
{
    if (region->start - found->end > found->gap_end - found->gap_start) {
        found->gap_start = found->end;
        found->gap_end = region->start;
    }
    found->end = region->end;
}

long pagemap_count(int fd, uintptr_t start, uintptr_t end, uint64_t most, struct pagemap_found *found,
                   uint32_t *scans)
{
    enum { FEW = 16 };
    struct page_region regions[FEW];
    uint64_t faults = 0;
    *found = (struct pagemap_found){start, start, start};
    while (start < end && faults < most) {
        uintptr_t stop = end - start > COUNT_SLICE ? start + COUNT_SLICE : end;
        struct scan_argument argument = {
            .size = sizeof argument,
            .start = start,
            .end = stop,
            .vector = (uintptr_t)regions,
            .vector_length = FEW,
            .max_pages = most - faults,
            .category_anyof_mask = CATEGORY_PRESENT | CATEGORY_SWAPPED,
            .return_mask = CATEGORY_FILE,
        };
        long count = prim_ioctl(fd, PAGEMAP_SCAN_REQUEST, &argument);
        ++*scans;
        if (prim_failed(count))
            return count;
        if (argument.walk_end <= start || argument.walk_end > stop)
            return -EIO;
        for (long i = 0; i < count; i++) {
            faults += faults_of(&regions[i]);
            add_found(found, &regions[i]);
        }
        start = argument.walk_end;
    }
    return (long)faults;
}

int pagemap_look(int fd, uintptr_t page)
{
    struct page_region region;
    struct pagemap_scan scan = {
        .fd = fd,
        .position = page,
        .end = page + PAGE,
        .clean = CATEGORY_ZERO,
        .asked = CATEGORY_SWAPPED | CATEGORY_HUGE,
        .regions = &region,
        .capacity = 1,
    };
    return pagemap_next(&scan, 1);
}

bool pagemap_works(int fd)
{
    struct page_region region;
    struct scan_argument argument = {
        .size = sizeof argument, .vector = (uintptr_t)&region, .vector_length = 1};
    return !prim_failed(prim_ioctl(fd, PAGEMAP_SCAN_REQUEST, &argument));
}
