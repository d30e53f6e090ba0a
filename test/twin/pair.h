/* The mappings that come in pairs: what kinds there are, and how they are made and given back. */
#ifndef TWIN_PAIR_H
#define TWIN_PAIR_H

#include "twin.h"

enum kind_bits {
    K_PRIVATE = 1 << 0,
    K_WRITTEN = 1 << 1, /* its file may be rewritten behind it */
    K_CUT = 1 << 2,     /* its file may be cut short behind it */
    K_GROWS = 1 << 3,   /* its file may grow behind it */
    K_ONCE = 1 << 4,    /* sealed by mseal: stays until the end of the process */
    K_HUGE = 1 << 5,    /* works in steps of 2 MiB */
    K_LARGE = 1 << 6,
};

/* KIND(name, row, bits, text) */
#define KINDS(KIND)                                                                                          \
    KIND(anon, ROW_anon, K_PRIVATE, "anonymous")                                                             \
    KIND(zero_device, ROW_zero_device, K_PRIVATE, "/dev/zero")                                               \
    KIND(memfd_sealed, ROW_memfd_sealed, K_PRIVATE, "sealed memfd")                                          \
    KIND(memfd_growing, ROW_memfd_growing, K_PRIVATE | K_GROWS, "growing memfd")                             \
    KIND(memfd_future, ROW_memfd_future, K_PRIVATE | K_WRITTEN, "memfd, future writing sealed")              \
    KIND(memfd_open, ROW_memfd_open, K_PRIVATE | K_WRITTEN | K_CUT, "unsealed memfd")                        \
    KIND(file, ROW_file, K_PRIVATE | K_WRITTEN | K_CUT, "file")                                              \
    KIND(file_stable, ROW_file_stable, K_PRIVATE, "unchanging file")                                         \
    KIND(image_anon, ROW_image_anon, K_PRIVATE, "sealed memfd, then anonymous")                              \
    KIND(file_anon, ROW_image_anon, K_PRIVATE, "unchanging file, then anonymous")                            \
    KIND(shared_anon, ROW_shared_anon, 0, "shared anonymous")                                                \
    KIND(shared_memfd, ROW_shared_memfd, 0, "shared memfd")                                                  \
    KIND(shared_file, ROW_shared_file, 0, "shared file")                                                     \
    KIND(hugetlb, ROW_hugetlb, K_PRIVATE | K_HUGE | K_LARGE, "hugetlb")                                      \
    KIND(anon_large, ROW_anon, K_PRIVATE | K_LARGE, "anonymous, large")                                      \
    KIND(memfd_large, ROW_memfd_sealed, K_PRIVATE | K_LARGE, "sealed memfd, large")                          \
    KIND(thp, ROW_anon, K_PRIVATE | K_LARGE, "anonymous, huge pages wanted")                                 \
    KIND(shards, ROW_many_mappings, K_PRIVATE | K_LARGE, "anonymous, one mapping a page")                    \
    KIND(ksm_anon, ROW_anon, K_PRIVATE, "anonymous, mergeable")                                              \
    KIND(ksm_memfd, ROW_memfd_sealed, K_PRIVATE, "sealed memfd, mergeable")                                  \
    KIND(mseal_read, ROW_mseal_read, K_PRIVATE | K_ONCE, "anonymous, read-only part sealed")                 \
    KIND(mseal_write, ROW_mseal_write, K_PRIVATE | K_ONCE, "anonymous, writable part sealed")

enum kind_number {
#define KIND(name, row, bits, text) KIND_##name,
    KINDS(KIND)
#undef KIND
        KIND_COUNT
};
#define KIND_BIT(name) (1u << KIND_##name)

struct kind {
    const char *text;
    enum row row;
    unsigned bits;
    enum kind_number number;
};
extern const struct kind kinds[KIND_COUNT];

/* Maps a fresh pair into its slot, over what was there. */
void pair_make(struct pair *pair, enum kind_number number);
void pair_drop(struct pair *pair);
/* A kind that this group, place and machine allow. */
enum kind_number pair_pick_kind(void);

void pair_set(struct pair *pair, size_t first, size_t end, uint32_t set, uint32_t clear);
/* Attributes of any page in [first, end). */
uint32_t pair_any(const struct pair *pair, size_t first, size_t end);

#endif
