/* The kernel interfaces the benchmarks use and that older system headers lack.

   Stated here and not taken from scan/: a benchmark that judges keepwarm shares no code with it. */
#ifndef BENCH_UAPI_H
#define BENCH_UAPI_H

#include <linux/types.h>
#include <sys/ioctl.h>

/* ioctl on /proc/PID/pagemap, Linux 6.7. */
struct scan_region {
    __u64 start;
    __u64 end;
    __u64 categories;
};

struct scan_request {
    __u64 size;
    __u64 flags;
    __u64 start;
    __u64 end;
    __u64 walk_end;
    __u64 vec;
    __u64 vec_len;
    __u64 max_pages;
    __u64 category_inverted;
    __u64 category_mask;
    __u64 category_anyof_mask;
    __u64 return_mask;
};

#define SCAN_REQUEST _IOWR('f', 16, struct scan_request)

#define SCAN_WRITTEN (1 << 1)
#define SCAN_FILE (1 << 2)
#define SCAN_PRESENT (1 << 3)
#define SCAN_SWAPPED (1 << 4)
#define SCAN_PFNZERO (1 << 5)
#define SCAN_HUGE (1 << 6)

/* What asks for the runs of pages of [start, end) that are present or swapped, and of no category in clean.
 */
static inline struct scan_request scan_for_dirty(const void *start, const void *end, __u64 clean,
                                                 struct scan_region *runs, __u64 capacity)
{
    return (struct scan_request){
        .size = sizeof(struct scan_request),
        .start = (__u64)start,
        .end = (__u64)end,
        .vec = (__u64)runs,
        .vec_len = capacity,
        .category_inverted = clean,
        .category_mask = clean,
        .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
        .return_mask = SCAN_PRESENT | SCAN_SWAPPED,
    };
}

/* ioctl on /proc/PID/maps, Linux 6.11. */
struct map_query {
    __u64 size;
    __u64 query_flags;
    __u64 query_addr;
    __u64 vma_start;
    __u64 vma_end;
    __u64 vma_flags;
    __u64 vma_page_size;
    __u64 vma_offset;
    __u64 inode;
    __u32 dev_major;
    __u32 dev_minor;
    __u32 vma_name_size;
    __u32 build_id_size;
    __u64 vma_name_addr;
    __u64 build_id_addr;
};

#define MAP_QUERY _IOWR('f', 17, struct map_query)
#define MAP_QUERY_COVERING_OR_NEXT 0x10

/* process_madvise on the calling process without a pidfd of its own, Linux 6.14. */
#define PIDFD_OF_SELF (-10000)

#endif
