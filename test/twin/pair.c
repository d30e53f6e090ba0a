/* See pair.h. Each side of a pair lies in a window of its own, with PROT_NONE gaps around. */
#include "pair.h"
#include "route.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "groups.h"
#include "image.h"
#include "place.h"

const struct kind kinds[KIND_COUNT] = {
#define KIND(name, row, bits, text) {text, row, bits, KIND_##name},
    KINDS(KIND)
#undef KIND
};

void pair_set(struct pair *pair, size_t first, size_t end, uint32_t set, uint32_t clear)
{
    for (size_t i = first; i < end && i < pair->pages; i++)
        pair->attributes[i] = (pair->attributes[i] & ~clear) | set;
}

uint32_t pair_any(const struct pair *pair, size_t first, size_t end)
{
    uint32_t any = 0;
    for (size_t i = first; i < end && i < pair->pages; i++)
        any |= pair->attributes[i];
    return any;
}

enum kind_number pair_pick_kind(void)
{
    unsigned allowed = world.group->kinds, count = 0, list[KIND_COUNT];
    for (unsigned i = 0; i < KIND_COUNT; i++)
        if (allowed >> i & 1)
            list[count++] = i;
    return (enum kind_number)list[below(count)];
}

static size_t pick_pages(enum kind_number number)
{
    switch (number) {
    case KIND_hugetlb:
    case KIND_thp:
        return 2 * HUGE / PAGE;
    case KIND_shards:
        return 1100;
    case KIND_anon_large:
    case KIND_memfd_large:
        return 500 + below(600);
    case KIND_ksm_anon:
    case KIND_ksm_memfd:
        return 64;
    default:
        return chance(20) ? 1 + below(4) : 4 + below(40);
    }
}

/* Makes the file of a kind that has one; its pages in `filled` are mapped, what follows is anonymous. */
static bool make_image(struct pair *pair, size_t *filled)
{
    struct image *image = &pair->image;
    size_t pages = pair->pages;
    unsigned slot = pair->slot;
    *filled = pages;
    switch (pair->kind->number) {
    case KIND_memfd_sealed:
    case KIND_memfd_large:
    case KIND_ksm_memfd:
        if (!image_make(image, IMAGE_MEMFD, slot, pages, chance(70) ? pages : 1 + below(pages)))
            return false;
        image_seal(image, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | (chance(50) ? F_SEAL_SEAL : 0));
        return true;
    case KIND_image_anon:
        *filled = 1 + below(pages);
        if (!image_make(image, IMAGE_MEMFD, slot, pages, *filled))
            return false;
        image_seal(image, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
        return true;
    case KIND_memfd_growing:
        if (!image_make(image, IMAGE_MEMFD, slot, pages, 1 + below(pages)))
            return false;
        image_seal(image, F_SEAL_WRITE | F_SEAL_SHRINK);
        return true;
    case KIND_memfd_future:
        if (!image_make(image, IMAGE_MEMFD, slot, pages, pages))
            return false;
        image_seal(image, F_SEAL_FUTURE_WRITE | (chance(50) ? F_SEAL_SHRINK : 0));
        return true;
    case KIND_memfd_open:
        return image_make(image, IMAGE_MEMFD, slot, pages, chance(70) ? pages : 1 + below(pages));
    case KIND_file_anon:
        *filled = 1 + below(pages);
        return image_make(image, IMAGE_DISK, slot, pages, *filled);
    default:
        return image_make(image, IMAGE_DISK, slot, pages, chance(80) ? pages : 1 + below(pages));
    }
}

static bool wants_image(enum kind_number number)
{
    return number == KIND_memfd_sealed || number == KIND_memfd_growing || number == KIND_memfd_future ||
           number == KIND_memfd_open || number == KIND_file || number == KIND_file_stable ||
           number == KIND_image_anon || number == KIND_file_anon || number == KIND_ksm_memfd ||
           number == KIND_memfd_large;
}

static void map_at(uint8_t *at, size_t pages, int flags, int file, size_t offset)
{
    if (route_mmap(at, pages * PAGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, file, (off_t)offset) !=
        (void *)at)
        fail("cannot map %zu pages at %p (flags %#x, descriptor %d)", pages, (void *)at, flags, file);
}

/* Shared files: each side has a part of one file, with room after it for a mapping that grows. */
static bool map_shared(struct pair *pair)
{
    size_t pages = pair->pages;
    enum image_shape shape = pair->kind->number == KIND_shared_file ? IMAGE_DISK : IMAGE_MEMFD;
    if (!image_make(&pair->image, shape, pair->slot, 4 * pages, 0))
        return false;
    image_resize(&pair->image, 4 * pages);
    for (int side = REAL; side <= LIBRARY; side++)
        map_at(pair->at[side], pages, MAP_SHARED, pair->image.file, (size_t)side * 2 * pages * PAGE);
    for (size_t i = 0; i < pages; i++)
        pair->source[i] = -2;
    return true;
}

static bool map_image(struct pair *pair)
{
    size_t filled, pages = pair->pages;
    if (!make_image(pair, &filled))
        return false;
    for (int side = REAL; side <= LIBRARY; side++) {
        map_at(pair->at[side], filled, MAP_PRIVATE, pair->image.file, 0);
        if (filled < pages)
            map_at(pair->at[side] + filled * PAGE, pages - filled, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    for (size_t i = 0; i < filled; i++)
        pair->source[i] = (int32_t)i;
    return true;
}

static bool map_device(struct pair *pair)
{
    int file = open("/dev/zero", O_RDWR | O_CLOEXEC);
    if (file < 0)
        return false;
    for (int side = REAL; side <= LIBRARY; side++)
        map_at(pair->at[side], pair->pages, MAP_PRIVATE, file, 0);
    close(file);
    return true;
}

static bool map_anonymous(struct pair *pair)
{
    enum kind_number number = pair->kind->number;
    int flags = MAP_ANONYMOUS | (number == KIND_shared_anon ? MAP_SHARED : MAP_PRIVATE) |
                (number == KIND_hugetlb ? MAP_HUGETLB : 0);
    for (int side = REAL; side <= LIBRARY; side++)
        map_at(pair->at[side], pair->pages, flags, -1, 0);
    if (number == KIND_shared_anon)
        for (size_t i = 0; i < pair->pages; i++)
            pair->source[i] = -2;
    return true;
}

static void advise(struct pair *pair, size_t first, size_t count, int advice)
{
    for (int side = REAL; side <= LIBRARY; side++)
        if (raw_madvise(pair->at[side] + first * PAGE, count * PAGE, advice) != 0)
            fail("cannot advise %d on a fresh mapping", advice);
}

/* What a kind needs beyond its mapping. */
static void finish(struct pair *pair)
{
    size_t pages = pair->pages, half = (pages + 1) / 2;
    switch (pair->kind->number) {
    case KIND_thp:
        advise(pair, 0, pages, ADVICE_HUGEPAGE);
        break;
    case KIND_shards:
        for (size_t i = 0; i < pages; i += 2)
            advise(pair, i, 1, ADVICE_DONTFORK);
        break;
    case KIND_ksm_anon:
    case KIND_ksm_memfd:
        advise(pair, 0, pages, ADVICE_MERGEABLE);
        break;
    case KIND_mseal_read:
    case KIND_mseal_write:
        for (int side = REAL; side <= LIBRARY; side++) {
            if (pair->kind->number == KIND_mseal_read)
                mprotect(pair->at[side], half * PAGE, PROT_READ);
            if (raw_call(NUMBER_mseal, (long)pair->at[side], (long)(half * PAGE), 0, 0, 0, 0) != 0)
                fail("mseal failed");
        }
        pair_set(pair, 0, half, A_SEALED, 0);
        if (pair->kind->number == KIND_mseal_read)
            pair_set(pair, 0, half, A_READ_ONLY, 0);
        break;
    default:
        break;
    }
}

static void window_open(struct pair *pair)
{
    for (int side = REAL; side <= LIBRARY; side++) {
        uint8_t *at = pair->at[side] - GAP_PAGES * PAGE;
        size_t length = (pair->pages + 2 * GAP_PAGES) * PAGE;
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
        if (mmap(at, length, PROT_NONE, flags, -1, 0) != (void *)at)
            fail("cannot map a window at %p", (void *)at);
    }
}

void pair_make(struct pair *pair, enum kind_number number)
{
    bool mapped;
    pair_drop(pair);
    pair->kind = &kinds[number];
    pair->pages = pick_pages(number);
    pair->was_reset = false;
    pair->image.file = -1;
    memset(pair->attributes, 0, sizeof pair->attributes);
    memset(pair->source, 0xff, sizeof pair->source);
    for (int side = REAL; side <= LIBRARY; side++)
        pair->at[side] =
            (uint8_t *)((side == REAL ? REAL_BASE : LIBRARY_BASE) + pair->slot * SLOT_SIZE + HUGE);
    window_open(pair);
    if (number == KIND_shared_memfd || number == KIND_shared_file)
        mapped = map_shared(pair);
    else if (number == KIND_zero_device)
        mapped = map_device(pair);
    else
        mapped = wants_image(number) ? map_image(pair) : map_anonymous(pair);
    if (!mapped) { /* no descriptor to be had here */
        pair->kind = &kinds[KIND_anon];
        map_anonymous(pair);
    }
    finish(pair);
    if (pair->image.file >= 0 && chance(world.place == PLACE_setuid ? 60 : 25)) {
        close(pair->image.file);
        pair->image.file = -1;
    }
    note("map %s, %zu pages, slot %u", pair->kind->text, pair->pages, pair->slot);
}

void pair_drop(struct pair *pair)
{
    if (!pair->kind)
        return;
    image_drop(&pair->image);
    for (int side = REAL; side <= LIBRARY; side++)
        munmap(pair->at[side] - GAP_PAGES * PAGE, (pair->pages + 2 * GAP_PAGES) * PAGE);
    pair->kind = NULL;
}
