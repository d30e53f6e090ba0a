#include "hooks/thunk.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { PAGE_BYTES = 4096, TRIES_MOST = 1024 };

static const uint64_t reach =
    (UINT64_C(1) << 31) - PAGE_BYTES; /* of a jmp rel32, with room for its own length */
static const uint64_t lowest = 1 << 20, highest = UINT64_C(1) << 47;

static bool reaches(uint64_t low, uint64_t high, uint64_t at, uint64_t size)
{
    uint64_t far_end = at + size > high ? at + size : high, far_start = at < low ? at : low;
    return at >= lowest && at + size <= highest && far_end - far_start <= reach;
}

/* One try: kernels before 4.17 take the address for a hint, so look where it came out. */
static uint8_t *map_at(uint64_t at, size_t size)
{
    void *hint = (void *)(uintptr_t)at;
    void *got =
        mmap(hint, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == MAP_FAILED)
        return NULL;
    if (got == hint)
        return got;
    munmap(got, size);
    return NULL;
}

enum site_reason thunk_block_open(struct thunk_block *block, const uint8_t *low, const uint8_t *high,
                                  size_t count)
{
    uint64_t from = (uintptr_t)low & ~UINT64_C(4095), to = ((uintptr_t)high + 4095) & ~UINT64_C(4095);
    size_t size = (count * THUNK_SIZE + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    *block = (struct thunk_block){0};
    if (count == 0 || from >= to || to - from > reach || size > reach)
        return SITE_no_thunk;
    /* Steps grow from a page to 4 MiB: close by if there is a gap, and all the way to the jump's reach
       otherwise. A page is left free on either side, so as not to touch a stack's or heap's growing end. */
    uint64_t distance = PAGE_BYTES;
    for (int i = 0; i < TRIES_MOST && distance < reach && !block->memory; i++) {
        uint64_t below = from - size - distance, above = to + distance;
        if (from > size + distance && reaches(from, to, below, size))
            block->memory = map_at(below, size);
        if (!block->memory && reaches(from, to, above, size))
            block->memory = map_at(above, size);
        distance += distance < (4 << 20) ? distance : 4 << 20;
    }
    if (!block->memory)
        return SITE_no_thunk;
    block->size = size;
    memset(block->memory, 0xcc, size); /* int3 wherever no thunk is */
    return SITE_patchable;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

static uint8_t *put64(uint8_t *at, uint64_t value)
{
    return put(at, &value, sizeof value);
}

const uint8_t *thunk_block_add(struct thunk_block *block, const uint8_t *mov, const struct site *site,
                               const char *stub)
{
    size_t copied = site->syscall - site->mov;
    if (!block->memory || block->size - block->used < THUNK_SIZE ||
        copied > SITE_MOV_LONGEST + SITE_BETWEEN_BYTES)
        return NULL;
    uint8_t *start = block->memory + block->used, *at = start;
    int64_t distance = start - (mov + 5);
    if (distance != (int32_t)distance)
        return NULL;
    at = put(at, mov, copied);
    at = put(at, "\x48\xb9", 2); /* movabs $after,%rcx */
    at = put64(at, (uintptr_t)mov + copied + 2);
    at = put(at, "\x49\xbb", 2); /* movabs $stub,%r11 */
    at = put64(at, (uintptr_t)stub);
    put(at, "\x41\xff\xe3", 3); /* jmp *%r11 */
    block->used += THUNK_SIZE;
    return start;
}

const uint8_t *thunk_block_add_jump(struct thunk_block *block, uint64_t target)
{
    uint8_t *start = block->memory + block->used;
    if (!block->memory || block->size - block->used < THUNK_SIZE)
        return NULL;
    put64(put(start, "\xff\x25\0\0\0\0", 6), target); /* jmp *0(%rip) */
    block->used += THUNK_SIZE;
    return start;
}

enum site_reason thunk_block_seal(struct thunk_block *block)
{
    if (mprotect(block->memory, block->size, PROT_READ | PROT_EXEC) == 0)
        return SITE_patchable;
    thunk_block_drop(block);
    return SITE_no_thunk;
}

void thunk_block_drop(struct thunk_block *block)
{
    if (block->memory)
        munmap(block->memory, block->size);
    *block = (struct thunk_block){0};
}
