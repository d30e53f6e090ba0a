#include "shim/own_stack.h"

#include "scan/loan.h"

/* Each holds a reset, 2 KiB, and room for a handler that is not where it belongs. */
enum { STACKS = 64, STACK_BYTES = 16 << 10 };

static struct {
    uint64_t lent;
    uint8_t bytes[STACK_BYTES - sizeof(uint64_t)];
} __attribute__((aligned(64))) stacks[STACKS];

static struct loans loans = {stacks, sizeof stacks[0], STACKS, 0};

/* decide(call), with top, a multiple of 16, for a stack pointer. */
int own_stack_call(hook_decide *decide, struct hook_call *call, void *top);

__asm__(".text\n"
        ".hidden own_stack_call\n"
        ".globl own_stack_call\n"
        ".type own_stack_call, @function\n"
        ".p2align 4\n"
        "own_stack_call:\n"
        "       .cfi_startproc\n"
        "       push %rbp\n"
        "       .cfi_adjust_cfa_offset 8\n"
        "       .cfi_offset %rbp, -16\n"
        "       mov %rsp, %rbp\n"
        "       .cfi_def_cfa_register %rbp\n"
        "       mov %rdi, %rax\n"
        "       mov %rsi, %rdi\n"
        "       mov %rdx, %rsp\n"
        "       call *%rax\n"
        "       mov %rbp, %rsp\n"
        "       .cfi_def_cfa_register %rsp\n"
        "       pop %rbp\n"
        "       .cfi_adjust_cfa_offset -8\n"
        "       .cfi_restore %rbp\n"
        "       ret\n"
        "       .cfi_endproc\n"
        "       .size own_stack_call, .-own_stack_call\n");

bool own_stack_decide(hook_decide *decide, struct hook_call *call, int *result)
{
    struct loan loan;
    if (!loan_take(&loans, &loan))
        return false;
    *result = own_stack_call(decide, call, stacks[loan.index].bytes + sizeof stacks[0].bytes);
    loan_return(&loans, &loan);
    return true;
}

void own_stack_forget_others(void)
{
    loan_forget_others(&loans);
}
