#include "scan/stores.h"

#include <string.h>

#include "test/unit/unit.h"

enum { LINE = 64, LINES = 256 };

static unsigned char memory[LINES * LINE] __attribute__((aligned(4096)));

/* All of it is cleared, and not a byte besides. */
static void expect_cleared(size_t from, size_t lines)
{
    memset(memory, 0xa5, sizeof memory);
    stores_stream((uintptr_t)memory + from * LINE, lines * LINE);
    stores_fence();
    for (size_t at = 0; at < sizeof memory; at++) {
        bool inside = at >= from * LINE && at < (from + lines) * LINE;
        cr_assert_eq(memory[at], inside ? 0 : 0xa5, "byte %zu", at);
    }
}

static void expect_streams(void)
{
    expect_cleared(64, 64);
    expect_cleared(0, LINES);
    expect_cleared(1, 1);
    expect_cleared(3, 0);
}

Test(stores, stream_by_stores)
{
    expect_streams();
}

Test(stores, stream_by_what_the_processor_has)
{
    stores_start();
    expect_streams();
}

enum { BIG = ZEROES_SHORT + 2 * 4096 };

/* All of it is written, and not a byte besides. */
static void expect_stored(size_t length, bool copy, bool vectors_free)
{
    static unsigned char to[BIG] __attribute__((aligned(4096))), from[BIG] __attribute__((aligned(4096)));
    memset(to, 0xa5, sizeof to);
    for (size_t at = 0; at < sizeof from; at++)
        from[at] = (unsigned char)(at * 31 + at / 4096);
    if (copy)
        stores_copy((uintptr_t)to + 4096, (const char *)from + 4096, length, vectors_free);
    else
        stores_zeroes((uintptr_t)to + 4096, length, vectors_free);
    for (size_t at = 0; at < sizeof to; at++) {
        bool inside = at >= 4096 && at < 4096 + length;
        cr_assert_eq(to[at], !inside ? 0xa5 : copy ? from[at] : 0, "byte %zu of %zu", at, length);
    }
}

static void expect_all_stored(void)
{
    static const size_t lengths[] = {4096, COPY_SHORT, COPY_SHORT + 4096, ZEROES_SHORT, ZEROES_SHORT + 4096};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int way = 0; way < 4; way++)
            expect_stored(lengths[i], way & 1, way & 2);
}

Test(stores, by_string_instructions)
{
    cr_assert_eq(stores_vector, 0);
    expect_all_stored();
}

Test(stores, by_all_vectors_the_processor_has)
{
    stores_start();
    uint8_t longest = stores_vector;
    cr_assert_eq(longest >= 32, __builtin_cpu_supports("avx2") != 0);
    cr_assert_eq(longest >= 64, __builtin_cpu_supports("avx512vbmi2") != 0);
    for (stores_vector = 32; stores_vector <= longest; stores_vector += 32)
        expect_all_stored();
}
