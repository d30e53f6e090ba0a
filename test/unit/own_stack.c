#include "shim/own_stack.h"

#include <stdint.h>
#include <string.h>

#include "test/unit/unit.h"

/* More than there are stacks. */
enum { NESTED = 1000 };

static int depth, deepest;
static uintptr_t frames[NESTED];

/* Each call in the middle of the one before is on a stack of its own, until there is none. */
static int nest(struct hook_call *call)
{
    unsigned char here[1024];
    int result = 0;
    memset(here, depth, sizeof here);
    __asm__ volatile("" ::"r"(here) : "memory");
    frames[depth++] = (uintptr_t)__builtin_frame_address(0);
    deepest = depth > deepest ? depth : deepest;
    if (depth < NESTED && own_stack_decide(nest, call, &result))
        call->number += result;
    depth--;
    for (size_t i = 0; i < sizeof here; i++)
        cr_assert_eq(here[i], (unsigned char)depth, "byte %zu of frame %d", i, depth);
    return 7;
}

Test(own_stack, each_is_lent_once)
{
    for (int round = 0; round < 3; round++) {
        struct hook_call call = {0};
        int result = 0;
        deepest = 0;
        cr_assert(own_stack_decide(nest, &call, &result));
        cr_assert_eq(result, 7);
        cr_assert(deepest >= 16 && deepest < NESTED, "%d deep", deepest);
        cr_assert_eq(call.number, 7 * (deepest - 1));
        for (int i = 0; i < deepest; i++)
            for (int j = 0; j < i; j++)
                cr_assert(frames[i] - frames[j] + 2048 > 4096, "frames %d and %d", i, j);
    }
}
