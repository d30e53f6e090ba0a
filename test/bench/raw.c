#include "test/bench/raw.h"

#include "test/bench/bench.h"
#include "test/bench/direct.h"
#include "test/bench/uapi.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

/* The largest vector at which the kernel's buffer, and so the fixed cost of a scan, stays small. */
#define REGIONS 256

void raw_open(struct raw *raw, const struct image *image, enum raw_scans scans)
{
    *raw = (struct raw){.scans = scans};
    raw->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (raw->pagemap < 0)
        die("/proc/self/pagemap");
    if (!image->bytes)
        return;
    raw->view = mmap(NULL, image->bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, image->fd, 0);
    if (raw->view == MAP_FAILED)
        die("viewing the image");
}

/* Restores one run of dirty pages, of which those below IMAGE_END come from the image at SLOT. */
static int restore(const struct raw *raw, unsigned char *slot, unsigned char *image_end,
                   const struct scan_region *run)
{
    unsigned char *start = (unsigned char *)run->start, *end = (unsigned char *)run->end;
    if (run->categories & SCAN_SWAPPED)
        return direct_madvise(start, (size_t)(end - start), MADV_DONTNEED);
    if (start < image_end) {
        size_t bytes = (size_t)((end < image_end ? end : image_end) - start);
        memcpy(start, raw->view + (start - slot), bytes);
        start += bytes;
    }
    if (start < end)
        memset(start, 0, (size_t)(end - start));
    return 0;
}

/* Finds and restores the dirty pages of [START, END); CLEAN names the categories that mean untouched there.
 */
static int reset_part(const struct raw *raw, unsigned char *slot, unsigned char *image_end,
                      unsigned char *start, unsigned char *end, __u64 clean)
{
    struct scan_region runs[REGIONS];
    struct scan_request request = scan_for_dirty(start, end, clean, runs, REGIONS);
    while (request.start < request.end) {
        int count = direct_ioctl(raw->pagemap, SCAN_REQUEST, &request);
        if (count < 0)
            return -1;
        for (int i = 0; i < count; i++)
            if (restore(raw, slot, image_end, &runs[i]))
                return -1;
        request.start = request.walk_end;
    }
    return 0;
}

/* Two scans pay where reading struct page for each dirty anonymous page costs more than a scan's fixed cost.
 */
enum raw_scans raw_better_scans(size_t dirty_pages)
{
    return dirty_pages > 32 ? RAW_TWO_SCANS : RAW_ONE_SCAN;
}

int raw_reset(const struct raw *raw, unsigned char *slot, size_t image_bytes, size_t slot_bytes)
{
    unsigned char *image_end = slot + image_bytes, *end = slot + slot_bytes;
    if (!image_bytes)
        return reset_part(raw, slot, slot, slot, end, SCAN_PFNZERO);
    if (raw->scans == RAW_ONE_SCAN)
        return reset_part(raw, slot, image_end, slot, end, SCAN_FILE | SCAN_PFNZERO);
    if (reset_part(raw, slot, image_end, slot, image_end, SCAN_FILE))
        return -1;
    return reset_part(raw, slot, image_end, image_end, end, SCAN_PFNZERO);
}
