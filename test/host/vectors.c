/* Served inline calls, with every register filled: only rax, rcx and r11 may differ afterwards. Run with
   keepwarm preloaded and hooks=inline; exit status 1 when a register changed, memory was not fresh, or a call
   was not served. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "test/unit/stub_machine.h"

enum { PAGE_BYTES = 4096, PAGES = 4096, LENGTH = PAGES * PAGE_BYTES };

static int failures;

static void fail(const char *what, unsigned level, int dirty)
{
    if (failures++ < 20)
        printf("level %u, %d dirty pages: %s\n", level, dirty, what);
}

static void fill(struct machine *m, unsigned level, void *range)
{
    for (size_t i = 0; i < sizeof *m; i++)
        ((uint8_t *)m)[i] = (uint8_t)(i * 37 + i / 251 + 1);
    m->level = level;
    m->flags = 0x202 | 0x8d5 | 0x400;
    m->general[M_RDI / 8] = (uintptr_t)range;
    m->general[M_R14 / 8] = LENGTH; /* becomes rsi */
    m->general[M_RDX / 8] = MADV_DONTNEED;
}

static int passes, served;

static void pass(unsigned level, uint8_t *range, int dirty)
{
    static struct machine in, out;
    unsigned char resident = 0;
    fill(&in, level, range);
    for (int i = 0; i < dirty; i++)
        range[(size_t)(i * (PAGES / dirty)) * PAGE_BYTES + 5] = 7;
    machine_pass(&in, &out);
    if (out.general[0] != 0)
        fail("the call failed", level, dirty);
    mincore(range, PAGE_BYTES, &resident);
    passes++;
    served += resident & 1;
    for (int i = 0; i < dirty; i++)
        if (range[(size_t)(i * (PAGES / dirty)) * PAGE_BYTES + 5])
            fail("not fresh", level, dirty);
    in.general[M_RSI / 8] = in.general[M_R14 / 8]; /* by the site's own instruction */
    for (int i = 1; i < 16; i++)
        if (i != M_RCX / 8 && i != M_R11 / 8 && i != M_RSP / 8 && in.general[i] != out.general[i])
            fail("a general register changed", level, dirty);
    if (out.general[M_RSP / 8] != out.level)
        fail("rsp changed", level, dirty);
    if (in.flags != out.flags)
        fail("flags changed", level, dirty);
    if (memcmp(in.zone, out.zone, sizeof in.zone) != 0)
        fail("the red zone changed", level, dirty);
    for (unsigned i = 0; i < (level == 2 ? 32 : 16); i++)
        if (memcmp(in.vectors[i], out.vectors[i], level == 2 ? 64 : level == 1 ? 32 : 16) != 0)
            fail("a vector register changed", level, dirty);
    if (level == 2 && memcmp(in.masks, out.masks, sizeof in.masks) != 0)
        fail("a mask register changed", level, dirty);
}

int main(int argc, char **argv)
{
    int rounds =
        argc > 1 ? atoi(argv[1]) : 200; /* past each measured turn and each rare path of the policy */
    unsigned most = __builtin_cpu_supports("avx512bw") ? 2 : __builtin_cpu_supports("avx") ? 1 : 0;
    uint8_t *range = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (range == MAP_FAILED)
        return 125;
    madvise(range, LENGTH, MADV_NOHUGEPAGE);
    for (unsigned level = 0; level <= most; level++)
        for (int round = 0; round < rounds; round++)
            for (int dirty = 1; dirty <= 256; dirty *= 4)
                pass(level, range, dirty);
    /* Now and then the policy gives pages back. */
    if (served < passes / 2)
        fail("too few served", most, 0);
    printf("%s up to level %u\n", failures ? "WRONG" : "kept", most);
    return failures != 0;
}
