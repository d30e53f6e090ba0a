/* Writing zeroes, or a copy of other pages: to memory that is present and writable, or as far as it is.
   Signal-safe. */
#ifndef SCAN_STORES_H
#define SCAN_STORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/call_path.h"

/* Finds out what the processor has. Once, at start; by what ld.so knows, for CPUID takes 7 us in a virtual
   machine. */
void stores_start(void);

/* Up to here a run is stored by vector instructions, where the caller's vector registers are free and the
   processor has AVX2: a string instruction takes 8 to 12 ns to begin with (Zen 4: a page of zeroes in the
   caches 48 ns and 40, a copied one 54 and 43; Zen 5 39 and 24, 40 and 31). But it does not fetch what it
   overwrites: 16 pages of zeroes, of 512 ranges in turn, take 0.7 us by it and 1.8 by vectors, of 8 ranges
   0.45 and 0.34; 8 pages copied, 36 ns each and 50 (Zen 5). So longer ones only where that is seen to pay
   (policy_tries_other). */
enum { ZEROES_SHORT = 4 * 4096, COPY_SHORT = 2 * 4096 };

/* Bytes of a vector that is stored at once: 32 (AVX2), 64 (AVX-512), or 0: none is. 64 is a whole cache line:
   200 pages that lie apart in 4 MiB are zeroed in 8.2 us, in 9.4 by 32 (Zen 5). */
extern uint8_t stores_vector;

/* A compiler that has no vector registers to use does not take their names. */
#ifdef __SSE__
#define VECTORS_CLOBBERED , "xmm0", "xmm1", "xmm2", "xmm3"
#else
#define VECTORS_CLOBBERED
#endif

/* In steps of four vectors. vzeroupper leaves the registers as compilers expect them of each other. */
#define STORES_ZEROES_BY(BYTES, STORE, VECTOR)                                                               \
    static inline void stores_zeroes_by_##BYTES(uintptr_t start, uintptr_t end)                              \
    {                                                                                                        \
        __asm__ volatile("vpxor %%xmm0, %%xmm0, %%xmm0\n"                                                    \
                         "1:\n\t" STORE " %%" VECTOR ", (%[to])\n\t" STORE " %%" VECTOR ", " #BYTES          \
                         "(%[to])\n\t" STORE " %%" VECTOR ", 2*" #BYTES "(%[to])\n\t" STORE " %%" VECTOR     \
                         ", 3*" #BYTES "(%[to])\n\t"                                                         \
                         "subq $-4*" #BYTES ", %[to]\n\t"                                                    \
                         "cmpq %[end], %[to]\n\t"                                                            \
                         "jb 1b\n\t"                                                                         \
                         "vzeroupper"                                                                        \
                         : [to] "+r"(start)                                                                  \
                         : [end] "r"(end)                                                                    \
                         : "memory", "cc" VECTORS_CLOBBERED);                                                \
    }
STORES_ZEROES_BY(32, "vmovdqa", "ymm0")
STORES_ZEROES_BY(64, "vmovdqa64", "zmm0")
#undef STORES_ZEROES_BY

static inline void stores_copy_by_32(uintptr_t start, const char *from, size_t length)
{
    uintptr_t end = start + length;
    __asm__ volatile("1:\n\t"
                     "vmovdqu (%[from]), %%ymm0\n\t"
                     "vmovdqu 32(%[from]), %%ymm1\n\t"
                     "vmovdqu 64(%[from]), %%ymm2\n\t"
                     "vmovdqu 96(%[from]), %%ymm3\n\t"
                     "vmovdqa %%ymm0, (%[to])\n\t"
                     "vmovdqa %%ymm1, 32(%[to])\n\t"
                     "vmovdqa %%ymm2, 64(%[to])\n\t"
                     "vmovdqa %%ymm3, 96(%[to])\n\t"
                     "subq $-128, %[from]\n\t"
                     "subq $-128, %[to]\n\t"
                     "cmpq %[end], %[to]\n\t"
                     "jb 1b\n\t"
                     "vzeroupper"
                     : [to] "+r"(start), [from] "+r"(from)
                     : [end] "r"(end)
                     : "memory", "cc" VECTORS_CLOBBERED);
}

/* However long a run is, where the caller's vector registers are free and stores_vector is not 0. */
static inline void stores_zeroes_by_vectors(uintptr_t start, size_t length)
{
    if (stores_vector == 64)
        stores_zeroes_by_64(start, start + length);
    else
        stores_zeroes_by_32(start, start + length);
}

/* Into the caches, whole pages. vectors_free: the caller's vector registers may be changed, as by any
   function that is called. The string instructions are not replaced by a sanitizer's memset. */
static inline void stores_zeroes(uintptr_t start, size_t length, bool vectors_free)
{
    if (vectors_free && length <= ZEROES_SHORT && likely(stores_vector != 0)) {
        stores_zeroes_by_vectors(start, length);
        return;
    }
    void *to = (void *)start;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(0) : "memory");
}

static inline void stores_copy(uintptr_t start, const char *from, size_t length, bool vectors_free)
{
    if (vectors_free && length <= COPY_SHORT && likely(stores_vector != 0)) {
        stores_copy_by_32(start, from, length);
        return;
    }
    void *to = (void *)start;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

/* This is stored to next. The first line of a page is not what the processor expects after another page: to
   wait for it takes 2 ns where the second cache holds it, 15 behind that (Zen 4). Never faults. */
static inline void stores_announce(uintptr_t start)
{
    __asm__ volatile("prefetchw (%0)" ::"r"(start));
}

/* Zeroes past the caches, in whole cache lines: for memory that is in none of them, whose old content would
   be read first. Zen 4, pages that are not adjacent: 57 ns each, 110 where there is no CLZERO, and 330 as
   above; in the caches it is slower, and so is the next access. stores_fence must follow before another
   thread is told of it. */
void stores_stream(uintptr_t start, size_t length);

static inline void stores_fence(void)
{
    __asm__ volatile("sfence" ::: "memory");
}

/* By the kernel, which writes where a store would not fault: reads *zero, a descriptor of /dev/zero, straight
   into the memory. Returns 0, or a negative errno where some of it may not have been written: EFAULT at an
   unwritable page or a guard, EAGAIN when the descriptor was moved meanwhile. */
int stores_zeroes_safely(const int *zero, uintptr_t start, size_t length);

/* ... and for a file that is only promised to be stable, and may be cut short: a load past its end is a
   SIGBUS. Returns 0 or a negative errno: EFAULT. */
int stores_copy_safely(uintptr_t start, const char *from, size_t length);

#endif
