/* Random code for the site finder: what it says must be true of the bytes, whatever they are.
   With -DWITH_LIBFUZZER a libFuzzer target (test/unit/fuzz-sites); else a program that makes its own input
   for a few seconds from a seed: site_fuzz [SECONDS [SEED]]. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hooks/decode.h"
#include "hooks/site_finder.h"

enum { MOST = 64, LARGEST = 512 };

static void fail(const char *what, const uint8_t *code, size_t size)
{
    fprintf(stderr, "site_fuzz: %s; the bytes:", what);
    for (size_t i = 0; i < size; i++)
        fprintf(stderr, " %02x", code[i]);
    fputc('\n', stderr);
    abort();
}

static void check_patchable(const struct site *site, const uint8_t *code, size_t size)
{
    struct insn jump;
    if (site->mov_length < SITE_MOV_SHORTEST || site->mov_length > SITE_MOV_LONGEST)
        fail("no room for a jump and its nop", code, size);
    if (site->syscall + 2 > size || site->mov + site->mov_length > site->syscall)
        fail("a site out of bounds", code, size);
    if (insn_decode(code + site->mov, size - site->mov, &jump) < 0 || jump.length != site->mov_length ||
        jump.kind != INSN_PLAIN || jump.rip_relative)
        fail("what becomes the jump cannot be moved", code, size);
    if (jump.writes_rax && (jump.constant_into != INSN_RAX || jump.constant != site->number))
        fail("the mov is not the mov", code, size);
    if (memcmp(code + site->syscall, "\x0f\x05", 2) != 0)
        fail("the syscall is not a syscall", code, size);
    uint32_t at = site->mov + site->mov_length;
    unsigned between = 0;
    for (; at < site->syscall; between++) {
        struct insn insn;
        if (insn_decode(code + at, site->syscall - at, &insn) < 0 || insn.kind != INSN_PLAIN ||
            insn.writes_rax || insn.rip_relative)
            fail("an instruction between cannot be moved", code, size);
        at += insn.length;
    }
    if (at != site->syscall || between != site->between || between > SITE_BETWEEN_MOST)
        fail("the instructions between are not those reported", code, size);
}

/* The first byte of the input says how many targets follow, two bytes each; the rest is the code. */
static void check(const uint8_t *input, size_t size)
{
    uint32_t targets[4];
    size_t target_count = size ? input[0] % 5 : 0;
    if (size < 1 + 2 * target_count)
        return;
    for (size_t i = 0; i < target_count; i++)
        targets[i] = (uint32_t)(input[1 + 2 * i] | input[2 + 2 * i] << 8);
    size -= 1 + 2 * target_count;
    uint8_t *code = malloc(size + !size), *marks = malloc(size + !size);
    struct site sites[MOST], again[MOST];
    if (!code || !marks)
        exit(1);
    memcpy(code, input + 1 + 2 * target_count, size);
    memset(marks, 0, size);
    size_t count = site_find(size % 2 ? SITE_CALLS_ALL : SITE_CALLS_RESETS, code, (uint32_t)size, targets,
                             target_count, marks, sites, MOST);
    memset(marks, 0xa5, size);
    size_t count_again = site_find(size % 2 ? SITE_CALLS_ALL : SITE_CALLS_RESETS, code, (uint32_t)size,
                                   targets, target_count, marks, again, MOST / 2);
    if (count != count_again)
        fail("the scratch memory's content or the room for sites changed the answer", code, size);
    for (size_t i = 0; i < count && i < MOST; i++) {
        if (sites[i].reason >= SITE_no_function || sites[i].mov >= size || sites[i].syscall > size)
            fail("a site out of range", code, size);
        if (i > 0 && sites[i - 1].syscall > sites[i].syscall)
            fail("sites out of order", code, size);
        if (sites[i].reason == SITE_patchable)
            check_patchable(&sites[i], code, size);
        if (i < MOST / 2 && memcmp(&sites[i].mov, &again[i].mov, 8) != 0)
            fail("two runs differ", code, size);
    }
    free(marks);
    free(code);
}

#ifdef WITH_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size);
    return 0;
}
#else
static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

/* Pieces that make sites likely: movs, syscalls, plain instructions, short jumps, prefixes. */
static size_t make_input(uint8_t *out)
{
    static const char *const pieces[] = {"\5\xb8\x1c\0\0\0",
                                         "\5\xb8\xb8\1\0\0",
                                         "\7\x48\xc7\xc0\x1c\0\0\0",
                                         "\2\x0f\5",
                                         "\2\x0f\5",
                                         "\7\xb8\x1c\0\0\0\x0f\5",
                                         "\4\x48\x83\xc7\x40",
                                         "\5\xba\4\0\0\0",
                                         "\3\x48\x89\xdf",
                                         "\1\xc3",
                                         "\1\x41",
                                         "\4\xf3\x0f\x1e\xfa",
                                         "\1\x53",
                                         "\7\x48\x8b\x3d\0\1\0\0",
                                         "\3\x41\x89\xc0",
                                         "\2\x89\xd8",
                                         "\5\xbb\x1c\0\0\0",
                                         "\2\xff\xe0"};
    size_t size = 0;
    out[size++] = (uint8_t)draw(draw(4) ? 1 : 5);
    for (unsigned i = 0; i < out[0]; i++) {
        out[size++] = (uint8_t)draw(256);
        out[size++] = 0;
    }
    for (uint32_t n = draw(40); n > 0; n--) {
        const char *piece = pieces[draw(sizeof pieces / sizeof *pieces)];
        uint32_t kind = draw(8);
        if (kind < 5) {
            memcpy(out + size, piece + 1, (size_t)piece[0]);
            size += (size_t)piece[0];
        } else if (kind < 7) {
            out[size++] = draw(2) ? 0xeb : (uint8_t)(0x70 + draw(16)); /* a short jump */
            out[size++] = (uint8_t)draw(256);
        } else {
            out[size++] = (uint8_t)draw(256);
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
    uint8_t input[LARGEST];
    unsigned long runs = 0;
    state = seed * 2 + 1;
    printf("site_fuzz: seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    for (clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC); clock() < end; runs++)
        check(input, make_input(input));
    printf("site_fuzz: %lu inputs, nothing wrong\n", runs);
    return 0;
}
#endif
