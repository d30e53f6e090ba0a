#include "test/places/stack_use.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "test/places/place.h"

/* Above what is called lies the frame of who called it: syscall() reads its last argument there, given or
 * not. */
enum { STACK = 8192, CALLER = 16, PAINT = 0x5a };

__asm__(".globl stack_call\n"
        "stack_call:\n"
        "  push %rbp\n"
        "  mov %rsp, %rbp\n"
        "  mov %rdi, %rsp\n"
        "  mov %rsi, %rax\n"
        "  mov %rdx, %rdi\n"
        "  mov %rcx, %rsi\n"
        "  mov %r8d, %edx\n"
        "  call *%rax\n"
        "  mov %rbp, %rsp\n"
        "  pop %rbp\n"
        "  ret\n");

size_t stack_use(int (*reset)(void *, size_t, int), unsigned char *memory, size_t length)
{
    static unsigned char *stack;
    if (!stack) {
        /* A guard page below, and one above: a range right behind the stack counts as part of it. */
        stack =
            mmap(NULL, STACK + 2 * PLACE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(stack, PLACE_PAGE, PROT_NONE);
        mprotect(stack + PLACE_PAGE + STACK, PLACE_PAGE, PROT_NONE);
    }
    unsigned char *low = stack + PLACE_PAGE;
    memset(low, PAINT, STACK);
    long result = stack_call(low + STACK - CALLER, (void *)reset, memory, length, MADV_DONTNEED);
    size_t clean = 0;
    while (clean < STACK && low[clean] == PAINT)
        clean++;
    return (int)result ? SIZE_MAX : STACK - CALLER - clean;
}

size_t stack_most_use(int (*reset)(void *, size_t, int), unsigned char *memory, size_t length, size_t stride)
{
    size_t most = 0;
    for (int i = 0; i < 200; i++) {
        for (size_t at = 0; at < length; at += stride)
            memory[at] = 1;
        size_t use = stack_use(reset, memory, length);
        if (!is_zero(memory, length))
            use = SIZE_MAX;
        most = use > most ? use : most;
    }
    return most;
}
