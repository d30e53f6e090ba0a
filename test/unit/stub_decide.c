#include "hooks/stub.h"
#include "test/unit/stub_machine.h"

volatile enum decision decision;
volatile long decision_result;
volatile unsigned long decisions;
struct hook_call decision_saw;
void (*decision_call_back)(void);

int test_decide(struct hook_call *call)
{
    decisions++;
    decision_saw = *call;
    if (decision == CALL_BACK)
        decision_call_back();
    /* Everything a C function may change. */
    __asm__ volatile(
        "mov $-1,%%rdi; mov %%rdi,%%rsi; mov %%rdi,%%rdx; mov %%rdi,%%r8; mov %%rdi,%%r9; mov %%rdi,%%r10;"
        "mov %%rdi,%%r11; mov %%rdi,%%rcx; xor %%eax,%%eax" ::
            : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc");
    if (decision == DECLINE)
        return 0;
    call->number = decision_result;
    return 1;
}
