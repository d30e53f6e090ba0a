/* Steps that reset from odd stacks: one of 4 KiB, and one that lies just above the memory to drop. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compare.h"
#include "ops.h"
#include "pair.h"
#include "reset.h"
#include "touch.h"

/* Calls function(a, b, c, d) with the stack pointer at `top`, which must be a multiple of 16. */
long twin_call_on(void *top, void *function, long a, long b, long c, long d);
/* The real call as such a function: no frame of its own. */
void twin_raw_madvise(void);

__asm__(".text\n"
        ".globl twin_call_on\n"
        ".type twin_call_on, @function\n"
        "twin_call_on:\n"
        ".cfi_startproc\n"
        "push %rbp\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset %rbp, -16\n"
        "mov %rsp, %rbp\n"
        ".cfi_def_cfa_register %rbp\n"
        "mov %rdi, %rsp\n"
        "mov %rsi, %r11\n"
        "mov %rdx, %rdi\n"
        "mov %rcx, %rsi\n"
        "mov %r8, %rdx\n"
        "mov %r9, %rcx\n"
        "xor %eax, %eax\n"
        "call *%r11\n"
        "mov %rbp, %rsp\n"
        "pop %rbp\n"
        ".cfi_def_cfa %rsp, 8\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size twin_call_on, . - twin_call_on\n"
        ".globl twin_raw_madvise\n"
        ".type twin_raw_madvise, @function\n"
        "twin_raw_madvise:\n"
        ".cfi_startproc\n"
        "mov $27, %eax\n" /* no hook shall find it */
        "inc %eax\n"
        "syscall\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size twin_raw_madvise, . - twin_raw_madvise\n");

static struct outcome call_on(void *top, uint8_t *at, size_t length)
{
    atomic_fetch_add(&world.report->resets, 1);
    if (chance(30))
        return took(twin_call_on(top, (void *)syscall, SYS_madvise, (long)at, (long)length, ADVICE_DONTNEED));
    return took((int)twin_call_on(top, (void *)madvise, (long)at, (long)length, ADVICE_DONTNEED, 0));
}

void op_small_stack(struct pair *pair)
{
    static uint8_t *stack;
    if (!stack) {
        stack = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED || mprotect(stack, PAGE, PROT_NONE) != 0)
            fail("cannot map a small stack");
    }
    fill_some(pair);
    reset_count(pair, 0, (long)pair->pages, ADVICE_DONTNEED);
    note("reset slot %u on a stack of 4 KiB", pair->slot);
    struct outcome real = took_raw(raw_madvise(pair->at[REAL], pair->pages * PAGE, ADVICE_DONTNEED));
    if (same("madvise on a small stack", real,
             call_on(stack + 2 * PAGE, pair->at[LIBRARY], pair->pages * PAGE)))
        reset_done(pair, 0, (long)pair->pages);
    count_row(ROW_small_stack, 1);
    compare_pair(pair);
}

/* A thread that ends drops its stack up to just below the frame it runs in. All that lives above stays; below
   it the callee may write what it likes, so both sides are made alike there again. Nothing lies so close to
   the upper edge of the pair that a callee could not read a stacked argument. */
void op_own_stack(struct pair *pair)
{
    static const size_t above[] = {16, 32, 64, 128, 256, 512, 1024, 2048, 3072, 4000};
    size_t room = PICK(&world.random, above), pages = pair->pages, edge;
    struct outcome outcome[2];
    if (pages < 4 || pair->kind->number != KIND_anon)
        return;
    edge = pages - 1 - below(pages / 2);
    if (pair_any(pair, 0, pages) & ~(uint32_t)A_CONTENT)
        return;
    fill_pages(pair, 0, pages, 64, (uint8_t)(1 + below(255)));
    note("reset slot %u below page %zu, on a stack %zu bytes above it", pair->slot, edge, room);
    for (int side = REAL; side <= LIBRARY; side++) {
        uint8_t *top = pair->at[side] + edge * PAGE + room;
        if (side == LIBRARY)
            outcome[side] = call_on(top, pair->at[side], edge * PAGE);
        else
            outcome[side] = took_raw(twin_call_on(top, (void *)twin_raw_madvise, (long)pair->at[side],
                                                  (long)(edge * PAGE), ADVICE_DONTNEED, 0));
    }
    for (int side = REAL; side <= LIBRARY; side++) {
        uint8_t *below_it = pair->at[side] + (edge - 1) * PAGE;
        if (raw_madvise(below_it, PAGE, ADVICE_DONTNEED) != 0)
            touch_fill(below_it, PAGE, 1, 0x66);
        touch_fill(pair->at[side] + edge * PAGE, PAGE, 1, 0x77);
    }
    if (same("madvise on the stack above", outcome[REAL], outcome[LIBRARY]))
        reset_done(pair, 0, (long)edge);
    count_row(ROW_own_stack, 1);
    compare_pair(pair);
}
