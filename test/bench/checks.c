/* What each thing a reset asks or does costs on this kernel, in nanoseconds: medians and quartiles.

   Ratios between rows travel from machine to machine; the figures do not. */
#include "test/bench/bench.h"
#include "test/bench/slots.h"
#include "test/bench/uapi.h"

#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define TABLE_PAGES ((size_t)512)
#define TABLE_BYTES (TABLE_PAGES * PAGE)

/* Everything the operations touch. */
struct bench {
    int pagemap, maps, zero;
    struct image image;
    unsigned char *mapped_image;
    unsigned char *empty;     /* never touched */
    unsigned char *one;       /* a page table with a single page in it */
    unsigned char *zeroes;    /* a page table of zero pages */
    unsigned char *dirty;     /* a page table, every page written */
    unsigned char *alternate; /* a page table, every second page written */
    unsigned char *large;     /* 64 MiB, every page written */
};

static struct bench bench;

struct row {
    const char *name;
    operation *run;
    size_t pages; /* what the operation gets; figures are per page if per_page */
    bool per_page;
};

static void floor_call(size_t pages)
{
    (void)pages;
    syscall(SYS_getppid);
}

static void clock_call(size_t pages)
{
    struct timespec now;
    (void)pages;
    clock_gettime(CLOCK_MONOTONIC, &now);
}

static void rdpkru(size_t pages)
{
    unsigned low, high;
    (void)pages;
    __asm__ volatile("rdpkru" : "=a"(low), "=d"(high) : "c"(0));
}

static void identity_call(size_t pages)
{
    struct stat status;
    (void)pages;
    fstat(bench.pagemap, &status);
}

static void query(const void *address, size_t name_bytes)
{
    char name[64];
    struct map_query request = {
        .size = sizeof request,
        .query_addr = (__u64)address,
        .vma_name_addr = name_bytes ? (__u64)name : 0,
        .vma_name_size = (__u32)name_bytes,
    };
    ioctl(bench.maps, MAP_QUERY, &request);
}

static void query_anon(size_t pages)
{
    (void)pages;
    query(bench.empty, 0);
}

static void query_image(size_t pages)
{
    (void)pages;
    query(bench.mapped_image, 0);
}

static void query_image_name(size_t pages)
{
    (void)pages;
    query(bench.mapped_image, 64);
}

static void probe(size_t pages)
{
    msync(bench.empty, pages * PAGE, MS_INVALIDATE);
}

static void drop_nothing(size_t pages)
{
    madvise(bench.empty, pages * PAGE, MADV_DONTNEED);
}

static void scan(const unsigned char *start, size_t pages, __u64 clean)
{
    struct scan_region runs[256];
    struct scan_request request = scan_for_dirty(start, start + pages * PAGE, clean, runs, 256);
    ioctl(bench.pagemap, SCAN_REQUEST, &request);
}

static void scan_empty(size_t pages)
{
    scan(bench.empty, pages, SCAN_PFNZERO);
}

static void scan_none(size_t pages)
{
    scan(bench.one, pages, SCAN_PFNZERO);
}

static void scan_zeroes(size_t pages)
{
    scan(bench.zeroes, pages, SCAN_PFNZERO);
}

static void scan_dirty(size_t pages)
{
    scan(bench.dirty, pages, SCAN_PFNZERO);
}

static void scan_alternate(size_t pages)
{
    scan(bench.alternate, pages, SCAN_PFNZERO);
}

static void scan_dirty_file(size_t pages)
{
    scan(bench.dirty, pages, SCAN_PFNZERO | SCAN_FILE);
}

static void scan_image(size_t pages)
{
    scan(bench.mapped_image, pages, SCAN_FILE);
}

static void zero_by_read(size_t pages)
{
    struct iovec into = {bench.dirty, pages * PAGE};
    if (readv(bench.zero, &into, 1) < 0)
        die("/dev/zero");
}

static void image_by_read(size_t pages)
{
    if (pread(bench.image.fd, bench.dirty, pages * PAGE, 0) < 0)
        die("pread");
}

static void restore_zero(size_t pages)
{
    memset(bench.dirty, 0, pages * PAGE);
}

static void restore_image(size_t pages)
{
    memcpy(bench.dirty, bench.image.expected, pages * PAGE);
}

/* Every 16th page of the 64 MiB: what a scattered writer leaves. */
static void restore_scattered(size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        memset(bench.large + i * 16 * PAGE, 0, PAGE);
}

static void drop_and_refault(size_t pages)
{
    madvise(bench.large, pages * PAGE, MADV_DONTNEED);
    for (size_t i = 0; i < pages; i++)
        *(volatile unsigned char *)(bench.large + i * PAGE) = 1;
}

static void drop_and_refault_image(size_t pages)
{
    madvise(bench.mapped_image, pages * PAGE, MADV_DONTNEED);
    for (size_t i = 0; i < pages; i++)
        *(volatile unsigned char *)(bench.mapped_image + i * PAGE) = 1;
}

static const struct row rows[] = {
    {"system call floor (getppid)", floor_call, 0, false},
    {"clock_gettime", clock_call, 0, false},
    {"protection keys (rdpkru)", rdpkru, 0, false},
    {"identity of a descriptor (fstat)", identity_call, 0, false},
    {"PROCMAP_QUERY, anonymous", query_anon, 0, false},
    {"PROCMAP_QUERY, image", query_image, 0, false},
    {"PROCMAP_QUERY, image, with its name", query_image_name, 0, false},
    {"msync(MS_INVALIDATE), 1 page", probe, 1, false},
    {"msync(MS_INVALIDATE), 1 MiB", probe, 256, false},
    {"madvise(DONTNEED), length 0", drop_nothing, 0, false},
    {"madvise(DONTNEED), 1 untouched page", drop_nothing, 1, false},
    {"madvise(DONTNEED), 1 MiB untouched", drop_nothing, 256, false},
    {"scan, 1 untouched page", scan_empty, 1, false},
    {"scan, 1 untouched MiB", scan_empty, 256, false},
    {"scan, 1 page of an image", scan_image, 1, false},
    {"scan, per page: no page there", scan_none, TABLE_PAGES, true},
    {"scan, per page: zero page", scan_zeroes, TABLE_PAGES, true},
    {"scan, per page: dirty, one run", scan_dirty, TABLE_PAGES, true},
    {"scan, per page: every second dirty", scan_alternate, TABLE_PAGES, true},
    {"scan, per page: dirty, FILE asked too", scan_dirty_file, TABLE_PAGES, true},
    {"readv(/dev/zero), 1 page", zero_by_read, 1, false},
    {"readv(/dev/zero), per page of 16", zero_by_read, 16, true},
    {"pread(image), 1 page", image_by_read, 1, false},
    {"pread(image), per page of 16", image_by_read, 16, true},
    {"memset, per page of 16", restore_zero, 16, true},
    {"memset, per page of 512", restore_zero, TABLE_PAGES, true},
    {"memset, per page, 200 scattered", restore_scattered, 200, true},
    {"memset, per page, 1000 scattered", restore_scattered, 1000, true},
    {"memcpy from the image, per page of 16", restore_image, 16, true},
    {"madvise and write again, per page of 1", drop_and_refault, 1, true},
    {"madvise and write again, per page of 16", drop_and_refault, 16, true},
    {"madvise and write again, per page of 512", drop_and_refault, TABLE_PAGES, true},
    {"the same on an image, per page of 16", drop_and_refault_image, 16, true},
};

static unsigned char *map_table(size_t bytes)
{
    unsigned char *start = mmap(NULL, bytes + TABLE_BYTES, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        die("mmap");
    /* A huge page would hide what a page costs. */
    madvise(start, bytes + TABLE_BYTES, MADV_NOHUGEPAGE);
    return (unsigned char *)round_up((size_t)start, TABLE_BYTES);
}

static void set_up(void)
{
    bench.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bench.maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    bench.zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    if (bench.pagemap < 0 || bench.maps < 0 || bench.zero < 0)
        die("/proc or /dev");
    image_create(&bench.image, 64 << 10);
    bench.mapped_image =
        mmap(NULL, bench.image.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, bench.image.fd, 0);
    if (bench.mapped_image == MAP_FAILED)
        die("mapping the image");
    bench.empty = map_table(TABLE_BYTES);
    bench.one = map_table(TABLE_BYTES);
    bench.zeroes = map_table(TABLE_BYTES);
    bench.dirty = map_table(TABLE_BYTES);
    bench.alternate = map_table(TABLE_BYTES);
    bench.large = map_table((size_t)64 << 20);
    bench.one[0] = 1;
    for (size_t at = 0; at < TABLE_BYTES; at += PAGE) {
        *(volatile unsigned char *)(bench.zeroes + at);
        bench.dirty[at] = 1;
        if (at / PAGE % 2 == 0)
            bench.alternate[at] = 1;
    }
    memset(bench.large, 1, (size_t)64 << 20);
}

static void measure(const struct row *row)
{
    struct spread spread = time_operation(row->run, row->pages);
    double unit = row->per_page ? (double)row->pages : 1;
    printf("%-42s %9.1f   %.1f-%.1f\n", row->name, spread.median / unit, spread.low_quartile / unit,
           spread.high_quartile / unit);
}

/* Whether rdpkru is an instruction here: OSPKE in CPUID leaf 7. */
static bool has_protection_keys(void)
{
    unsigned a, b, c = 0, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & (1u << 4);
}

/* Says which of the two questions of /proc the kernel does not know. */
static void name_missing(void)
{
    struct scan_request request = {
        .size = sizeof request, .start = (__u64)bench.empty, .end = (__u64)bench.empty};
    struct map_query question = {.size = sizeof question, .query_addr = (__u64)bench.empty};
    if (ioctl(bench.pagemap, SCAN_REQUEST, &request) < 0)
        puts("This kernel has no PAGEMAP_SCAN (Linux 6.7): the rows of scans mean nothing.");
    if (ioctl(bench.maps, MAP_QUERY, &question) < 0)
        puts("This kernel has no PROCMAP_QUERY (Linux 6.11): its rows mean nothing.");
}

int main(void)
{
    set_up();
    name_missing();
    printf("%-42s %9s   %s\n", "", "median ns", "quartiles");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].run != rdpkru || has_protection_keys())
            measure(&rows[i]);
    return 0;
}
