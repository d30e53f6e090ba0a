/* The memory of an instance pool, and what one instance does to a slot of it.

   A slot is one range that reads and writes: a private mapping of a sealed memfd (the module's image)
   followed by private anonymous memory, as Wasmtime's pooling allocator lays it out. Without an image the
   slots are adjacent anonymous extents, as an allocator's are. */
#ifndef BENCH_SLOTS_H
#define BENCH_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a pool looks like, as the command line says it. */
struct shape {
    size_t slot_bytes;
    size_t image_bytes; /* 0: no image, extents of an allocator */
    size_t dirty;       /* pages written in a cycle */
    size_t read;        /* other pages, only read */
    bool scattered; /* written pages spread evenly, no two adjacent; else one run across the image's end */
    size_t slots;
};

/* The image all slots map: sealed, so that its content can never change. */
struct image {
    int fd;
    size_t bytes;
    unsigned char *expected; /* its content, in memory of our own */
};

/* One thread's slots. */
struct pool {
    struct shape shape;
    const struct image *image;
    unsigned char *base;
    size_t stride;
    size_t *dirty_pages;
    size_t *read_pages;
};

/* The first byte of a slot that is not what a fresh slot holds. */
struct difference {
    size_t slot;
    size_t offset;
    unsigned char found;
    unsigned char expected;
};

/* The reason why SHAPE is impossible, or NULL. */
const char *shape_fault(const struct shape *shape);

/* Makes the sealed image; exits on failure. BYTES may be 0: then there is none. */
void image_create(struct image *image, size_t bytes);

/* Maps a pool of fresh slots; exits on failure. IMAGE must outlive it. */
void pool_create(struct pool *pool, const struct shape *shape, const struct image *image);

/* Bytes of addresses that a pool takes. */
size_t pool_reservation(const struct shape *shape);

/* The same from ADDRESS on, where nothing may be mapped yet; NULL: wherever the kernel likes. */
void pool_create_at(struct pool *pool, const struct shape *shape, const struct image *image, void *address);

/* The address of a slot. */
unsigned char *pool_slot(const struct pool *pool, size_t slot);

/* One instance's life in a slot: reads the read-only pages, writes the others. TURN varies what is written
   and where in the page. Returns a sum of what was read, so that no read is optimised away. */
uint64_t pool_use(const struct pool *pool, size_t slot, uint64_t turn);

/* Whether every byte of the slot is as in a fresh one; if not, DIFFERENCE says where. */
bool pool_slot_fresh(const struct pool *pool, size_t slot, struct difference *difference);

#endif
