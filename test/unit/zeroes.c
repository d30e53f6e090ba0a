#include "scan/zeroes.h"

#include <string.h>

#include "test/unit/unit.h"

enum { LINE = 64, LINES = 256 };

static unsigned char memory[LINES * LINE] __attribute__((aligned(4096)));

/* All of it is cleared, and not a byte besides. */
static void expect_cleared(size_t from, size_t lines)
{
    memset(memory, 0xa5, sizeof memory);
    zeroes_stream((uintptr_t)memory + from * LINE, lines * LINE);
    zeroes_fence();
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

Test(zeroes, stream_by_stores)
{
    expect_streams();
}

Test(zeroes, stream_by_what_the_processor_has)
{
    zeroes_start();
    expect_streams();
}
