#include "test/bench/slots.h"

#include "test/bench/bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Slots with an image stand this far apart: their own page tables each, as when a slot is gigabytes of
   reserved addresses. */
#define SLOT_ALIGNMENT ((size_t)2 << 20)

const char *shape_fault(const struct shape *shape)
{
    if (!shape->slot_bytes || shape->slot_bytes % PAGE || shape->image_bytes % PAGE)
        return "--slot and --image must be multiples of 4K, and the slot not empty";
    if (shape->image_bytes > shape->slot_bytes)
        return "the image is larger than the slot";
    if (!shape->slots)
        return "a pool needs a slot";
    size_t pages = shape->slot_bytes / PAGE;
    if (shape->dirty > pages || shape->read > pages - shape->dirty)
        return "more pages to use than the slot has";
    if (shape->scattered && shape->dirty > pages / 2)
        return "too many pages for --scattered: some would be adjacent";
    return NULL;
}

/* The image's words are even and never zero, what an instance writes is odd: no write can go unseen. */
static void fill_image(unsigned char *content, size_t bytes)
{
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (size_t at = 0; at < bytes; at += sizeof state) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t word = (state & ~(uint64_t)1) | 2;
        memcpy(content + at, &word, sizeof word);
    }
}

void image_create(struct image *image, size_t bytes)
{
    *image = (struct image){.fd = -1, .bytes = bytes};
    if (!bytes)
        return;
    image->expected = malloc(bytes);
    if (!image->expected)
        die("image");
    fill_image(image->expected, bytes);

    image->fd = memfd_create("wasm-memory-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (image->fd < 0)
        die("memfd_create");
    for (size_t done = 0; done < bytes;) {
        ssize_t wrote = write(image->fd, image->expected + done, bytes - done);
        if (wrote <= 0)
            die("writing the image");
        done += (size_t)wrote;
    }
    if (fcntl(image->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
        die("sealing the image");
}

/* The pages an instance writes. */
static void choose_dirty(const struct shape *shape, size_t *pages, bool *taken)
{
    size_t total = shape->slot_bytes / PAGE, image = shape->image_bytes / PAGE;
    size_t first = image > shape->dirty / 2 ? image - shape->dirty / 2 : 0;
    if (first > total - shape->dirty)
        first = total - shape->dirty;
    for (size_t i = 0; i < shape->dirty; i++) {
        pages[i] = shape->scattered ? i * total / shape->dirty : first + i;
        taken[pages[i]] = true;
    }
}

/* The pages an instance only reads: spread evenly over those it does not write. */
static void choose_read(const struct shape *shape, size_t *pages, bool *taken)
{
    size_t total = shape->slot_bytes / PAGE;
    for (size_t i = 0; i < shape->read; i++) {
        size_t page = i * total / shape->read;
        while (taken[page])
            page = (page + 1) % total;
        pages[i] = page;
        taken[page] = true;
    }
}

static void choose_pages(struct pool *pool)
{
    const struct shape *shape = &pool->shape;
    bool *taken = calloc(shape->slot_bytes / PAGE, sizeof *taken);
    pool->dirty_pages = calloc(shape->dirty + 1, sizeof *pool->dirty_pages);
    pool->read_pages = calloc(shape->read + 1, sizeof *pool->read_pages);
    if (!taken || !pool->dirty_pages || !pool->read_pages)
        die("page lists");
    choose_dirty(shape, pool->dirty_pages, taken);
    choose_read(shape, pool->read_pages, taken);
    free(taken);
}

static size_t pool_stride(const struct shape *shape)
{
    return shape->image_bytes ? round_up(shape->slot_bytes + PAGE, SLOT_ALIGNMENT) : shape->slot_bytes;
}

size_t pool_reservation(const struct shape *shape)
{
    return pool_stride(shape) * shape->slots + SLOT_ALIGNMENT;
}

void pool_create_at(struct pool *pool, const struct shape *shape, const struct image *image, void *address)
{
    *pool = (struct pool){.shape = *shape, .image = image, .stride = pool_stride(shape)};
    choose_pages(pool);

    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (address ? MAP_FIXED_NOREPLACE : 0);
    unsigned char *reserved = mmap(address, pool_reservation(shape), PROT_NONE, flags, -1, 0);
    if (reserved == MAP_FAILED)
        die("reserving the pool");
    pool->base = (unsigned char *)round_up((size_t)reserved, SLOT_ALIGNMENT);

    for (size_t i = 0; i < shape->slots; i++) {
        unsigned char *slot = pool_slot(pool, i);
        if (mprotect(slot, shape->slot_bytes, PROT_READ | PROT_WRITE))
            die("opening a slot");
        if (shape->image_bytes && mmap(slot, shape->image_bytes, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_FIXED, image->fd, 0) == MAP_FAILED)
            die("mapping the image");
    }
}

void pool_create(struct pool *pool, const struct shape *shape, const struct image *image)
{
    pool_create_at(pool, shape, image, NULL);
}

unsigned char *pool_slot(const struct pool *pool, size_t slot)
{
    return pool->base + slot * pool->stride;
}

uint64_t pool_use(const struct pool *pool, size_t slot, uint64_t turn)
{
    const struct shape *shape = &pool->shape;
    unsigned char *base = pool_slot(pool, slot);
    size_t in_page = (size_t)(turn * 8) % PAGE;
    uint64_t sum = 0;
    for (size_t i = 0; i < shape->read; i++)
        sum += *(volatile uint64_t *)(base + pool->read_pages[i] * PAGE + in_page);
    for (size_t i = 0; i < shape->dirty; i++) {
        unsigned char *page = base + pool->dirty_pages[i] * PAGE;
        *(volatile uint64_t *)(page + in_page) = turn | 1;
        *(volatile uint64_t *)(page + PAGE - 8 - in_page) = turn | 1;
    }
    return sum;
}

/* The offset of the first byte of a page that is not zero, or PAGE. */
static size_t first_nonzero(const unsigned char *page)
{
    const uint64_t *words = (const uint64_t *)page;
    uint64_t any = 0;
    for (size_t i = 0; i < PAGE / sizeof *words; i++)
        any |= words[i];
    size_t at = 0;
    if (!any)
        return PAGE;
    while (!page[at])
        at++;
    return at;
}

bool pool_slot_fresh(const struct pool *pool, size_t slot, struct difference *difference)
{
    const unsigned char *base = pool_slot(pool, slot), *expected = pool->image->expected;
    size_t image = pool->shape.image_bytes, at = 0;
    if (image && memcmp(base, expected, image)) {
        while (base[at] == expected[at])
            at++;
        *difference = (struct difference){slot, at, base[at], expected[at]};
        return false;
    }
    for (at = image; at < pool->shape.slot_bytes; at += PAGE) {
        size_t in_page = first_nonzero(base + at);
        if (in_page < PAGE) {
            *difference = (struct difference){slot, at + in_page, base[at + in_page], 0};
            return false;
        }
    }
    return true;
}
