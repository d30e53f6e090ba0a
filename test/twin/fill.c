/* Steps that put content into a pair, by every way that content comes in; and changes of the file behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "compare.h"
#include "image.h"
#include "ops.h"
#include "pair.h"
#include "touch.h"

static void pick(const struct pair *pair, size_t *first, size_t *end)
{
    *first = below(pair->pages);
    *end = *first + 1 + below(pair->pages - *first);
    if (pair->kind->bits & K_LARGE && *end > *first + 4)
        *end = *first + 4;
}

static uint8_t value(void)
{
    return (uint8_t)(1 + below(255));
}

static void same_fault(const char *what, size_t real, size_t library)
{
    if (real != library)
        fail("%s: faulted at byte %#zx on the real call's twin, at %#zx on the library's", what, real,
             library);
}

void fill_pages(struct pair *pair, size_t first, size_t end, size_t stride, uint8_t byte)
{
    size_t length = (end - first) * PAGE;
    size_t real = touch_fill(pair->at[REAL] + first * PAGE, length, stride, byte);
    same_fault("store", real, touch_fill(pair->at[LIBRARY] + first * PAGE, length, stride, byte));
}

void op_fill(struct pair *pair)
{
    size_t first, end, stride = chance(50) ? 1 : chance(50) ? 64 : PAGE;
    pick(pair, &first, &end);
    note("store, slot %u: pages %zu to %zu, every %zu bytes", pair->slot, first, end, stride);
    fill_pages(pair, first, end, stride, value());
    compare_pair(pair);
}

void op_scatter(struct pair *pair)
{
    bool large = pair->kind->bits & K_LARGE;
    bool sparse = (pair->kind->bits & K_HUGE) || pair->kind->number == KIND_thp || chance(20);
    unsigned percent = !large ? (unsigned)(5 + below(60)) : sparse ? 2 : (unsigned)(20 + below(40));
    note("store one byte in %u%% of the pages of slot %u", percent, pair->slot);
    for (size_t i = 0; i < pair->pages; i++) {
        if (!chance(percent))
            continue;
        size_t at = i * PAGE + below(PAGE);
        uint8_t byte = value();
        size_t real = touch_fill(pair->at[REAL] + at, 1, 1, byte);
        same_fault("store", real, touch_fill(pair->at[LIBRARY] + at, 1, 1, byte));
    }
    compare_pair(pair);
}

void op_read(struct pair *pair)
{
    size_t first, end;
    pick(pair, &first, &end);
    note("read, slot %u: pages %zu to %zu", pair->slot, first, end);
    size_t length = (end - first) * PAGE;
    size_t real = touch_scan(pair->at[REAL] + first * PAGE, length);
    same_fault("read", real, touch_scan(pair->at[LIBRARY] + first * PAGE, length));
    compare_pair(pair);
}

void op_read_write(struct pair *pair)
{
    size_t first, end;
    pick(pair, &first, &end);
    note("read, then store, slot %u: pages %zu to %zu", pair->slot, first, end);
    for (int side = REAL; side <= LIBRARY; side++)
        touch_scan(pair->at[side] + first * PAGE, (end - first) * PAGE);
    fill_pages(pair, first, end, PAGE, value());
    compare_pair(pair);
}

/* A range in bytes for the calls below, and a buffer to fill it from. */
static size_t pick_bytes(const struct pair *pair, size_t *at, uint8_t *buffer, size_t room)
{
    size_t total = pair->pages * PAGE;
    *at = below(total);
    size_t length = 1 + below(total - *at < room ? total - *at : room);
    memset(buffer, value(), length);
    return length;
}

static void mark(struct pair *pair, size_t at, long length, uint32_t attribute)
{
    if (length > 0)
        pair_set(pair, at / PAGE, (at + (size_t)length + PAGE - 1) / PAGE, attribute, 0);
}

void op_read_call(struct pair *pair)
{
    static uint8_t buffer[3 * PAGE];
    size_t at, length = pick_bytes(pair, &at, buffer, sizeof buffer);
    struct outcome outcome[2];
    int file = memfd_create("source", MFD_CLOEXEC);
    if (file < 0 || write(file, buffer, length) != (ssize_t)length) {
        note("read(2): no descriptor");
        return;
    }
    note("read(2) into slot %u: %zu bytes at %#zx", pair->slot, length, at);
    for (int side = REAL; side <= LIBRARY; side++) {
        lseek(file, 0, SEEK_SET);
        outcome[side] = took(read(file, pair->at[side] + at, length));
    }
    close(file);
    same("read(2)", outcome[REAL], outcome[LIBRARY]);
    mark(pair, at, outcome[REAL].result, A_BY_READ);
    compare_pair(pair);
}

void op_vm_writev(struct pair *pair)
{
    static uint8_t buffer[3 * PAGE];
    size_t at, length = pick_bytes(pair, &at, buffer, sizeof buffer);
    struct outcome outcome[2];
    note("process_vm_writev into slot %u: %zu bytes at %#zx", pair->slot, length, at);
    for (int side = REAL; side <= LIBRARY; side++) {
        struct iovec from = {buffer, length}, to = {pair->at[side] + at, length};
        outcome[side] = took(process_vm_writev(getpid(), &from, 1, &to, 1, 0));
    }
    same("process_vm_writev", outcome[REAL], outcome[LIBRARY]);
    mark(pair, at, outcome[REAL].result, A_BY_VM);
    compare_pair(pair);
}

void op_proc_mem(struct pair *pair)
{
    static uint8_t buffer[3 * PAGE];
    size_t at, length = pick_bytes(pair, &at, buffer, sizeof buffer);
    struct outcome outcome[2];
    int file = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    if (file < 0) {
        note("/proc/self/mem: errno %d", errno);
        return;
    }
    note("/proc/self/mem into slot %u: %zu bytes at %#zx", pair->slot, length, at);
    for (int side = REAL; side <= LIBRARY; side++)
        outcome[side] = took(pwrite(file, buffer, length, (off_t)((uintptr_t)pair->at[side] + at)));
    close(file);
    same("/proc/self/mem", outcome[REAL], outcome[LIBRARY]);
    mark(pair, at, outcome[REAL].result, A_BY_MEM);
    compare_pair(pair);
}

/* From this pair on, one whose file may change so; NULL: there is none. */
static struct pair *with_file(const struct pair *pair, unsigned bits)
{
    for (unsigned i = 0; i < world.pair_count; i++) {
        struct pair *one = &world.pairs[(pair->slot + i) % world.pair_count];
        if ((one->kind->bits & bits) && (one->image.file >= 0 || one->image.old_view))
            return one;
    }
    return NULL;
}

/* Untouched pages follow the file, and so do pages that the real call has dropped. */
void op_rewrite(struct pair *any)
{
    struct pair *pair = with_file(any, K_WRITTEN);
    if (!pair)
        return;
    size_t page = below(pair->pages), offset = below(PAGE), length = 1 + below(PAGE - offset);
    note("rewrite the file of slot %u: page %zu, %zu bytes at %zu", pair->slot, page, length, offset);
    image_rewrite(&pair->image, page, offset, length, value());
    if (pair->was_reset)
        count_row(ROW_file_rewritten, 1);
    compare_pair(pair);
}

void op_resize(struct pair *any)
{
    struct pair *pair = with_file(any, chance(60) ? K_CUT : K_CUT | K_GROWS);
    if (!pair)
        return;
    struct image *image = &pair->image;
    bool cut = (pair->kind->bits & K_CUT) && chance(60);
    size_t pages = cut ? below(image->pages + 1) : image->pages + below(pair->pages - image->pages + 1);
    note("the file of slot %u: %zu pages, now %zu", pair->slot, image->pages, pages);
    if (pages < image->pages)
        count_row(ROW_file_truncated, 1);
    image_resize(image, pages);
    compare_pair(pair);
}

void fill_some(struct pair *pair)
{
    static void (*const ways[])(struct pair *) = {op_fill, op_scatter, op_read, op_read_write};
    PICK(&world.random, ways)(pair);
}
