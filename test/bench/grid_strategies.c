#include "test/bench/grid_strategies.h"

#include "test/bench/bench.h"
#include "test/bench/direct.h"
#include "test/bench/uapi.h"

#include <string.h>
#include <sys/mman.h>

/* The plain system call. */
static int reset_real(const struct kit *kit, unsigned char *slot)
{
    return direct_madvise(slot, kit->call_bytes, MADV_DONTNEED);
}

/* Writes the snapshot over [START, END) of the slot. */
static void restore(const struct kit *kit, unsigned char *slot, unsigned char *start, unsigned char *end)
{
    unsigned char *image_end = slot + kit->image_bytes;
    if (start < image_end) {
        size_t bytes = (size_t)((end < image_end ? end : image_end) - start);
        memcpy(start, kit->raw.view + (start - slot), bytes);
        start += bytes;
    }
    if (start < end)
        memset(start, 0, (size_t)(end - start));
}

/* The whole slot written over, without asking what is dirty. */
static int reset_blind(const struct kit *kit, unsigned char *slot)
{
    restore(kit, slot, slot, slot + kit->slot_bytes);
    return 0;
}

/* Every dirty page found and written over, however many there are. */
static int reset_scan(const struct kit *kit, unsigned char *slot)
{
    return raw_reset(&kit->raw, slot, kit->image_bytes, kit->slot_bytes);
}

/* What Wasmtime's pooling allocator does with keep-resident set (crates/wasmtime/src/runtime/vm/sys/unix/
   pagemap.rs): one scan, which stops at 32 regions or at the limit; what it found is written over, and all
   behind the place where it stopped is dropped. */
static int reset_intree(const struct kit *kit, unsigned char *slot)
{
    enum { REGIONS = 32 };
    unsigned char *end = slot + kit->slot_bytes;
    size_t keep = kit->keep_bytes < kit->slot_bytes ? kit->keep_bytes : kit->slot_bytes;
    if (keep < PAGE || kit->slot_bytes <= PAGE) {
        restore(kit, slot, slot, slot + keep);
        return keep < kit->slot_bytes ? direct_madvise(slot + keep, kit->slot_bytes - keep, MADV_DONTNEED)
                                      : 0;
    }
    struct scan_region regions[REGIONS];
    struct scan_request request = {
        .size = sizeof request,
        .start = (__u64)slot,
        .end = (__u64)end,
        .vec = (__u64)regions,
        .vec_len = REGIONS,
        .max_pages = keep / PAGE,
        .category_inverted = SCAN_PFNZERO | SCAN_FILE,
        .category_mask = SCAN_WRITTEN | SCAN_PRESENT | SCAN_PFNZERO | SCAN_FILE,
    };
    int count = direct_ioctl(kit->raw.pagemap, SCAN_REQUEST, &request);
    if (count < 0)
        return -1;
    for (int i = 0; i < count; i++)
        restore(kit, slot, (unsigned char *)regions[i].start, (unsigned char *)regions[i].end);
    unsigned char *stopped = (unsigned char *)request.walk_end;
    return stopped < end ? direct_madvise(stopped, (size_t)(end - stopped), MADV_DONTNEED) : 0;
}

/* libc's function, as any program calls it; under keepwarm, keepwarm's. */
static int reset_by_libc(const struct kit *kit, unsigned char *slot)
{
    return madvise(slot, kit->call_bytes, MADV_DONTNEED);
}

const struct strategy strategies[] = {
    {"real", NULL, 0, reset_real},
    {"blind", NULL, (size_t)64 << 20, reset_blind},
    {"scan", NULL, 0, reset_scan},
    {"intree", NULL, 0, reset_intree},
    {"keepwarm-check", "vma=check", 0, reset_by_libc},
    {"keepwarm-cache", "vma=cache", 0, reset_by_libc},
};
const size_t strategy_count = sizeof strategies / sizeof *strategies;
