/* The interposed functions that must not touch the stack before they know what is asked.

   madvise: a caller may be discarding the stack it runs on, from just below its own frame (coroutines, exiting
   threads). What a C function pushes would lie in what the kernel drops. So a range near the stack goes to the
   kernel from here, with nothing pushed.

   process_madvise: the same; whether a range of its vector is near takes a look at the vector. C does that, and
   answers the vectors that can be served. When it returns, nothing is left of it on the stack that the kernel
   could drop.

   syscall: numbers that keepwarm watches go to C; any other is passed on by a jump with registers and stack as
   they came, so that calls which return twice (vfork, clone) or not at all still work. */

#include "shim/stack_room.h"

#define SYSCALL_MADVISE 28
#define SYSCALL_PROCESS_MADVISE 440

/* Jumps to near when [start, start+length), rounded up to a page as the kernel does it, meets the stack around
   %rsp. Changes %rax and %r11. */
.macro jump_if_near_stack start, length, near
        leaq    -STACK_BELOW(%rsp), %rax
        leaq    4095(\start,\length), %r11
        cmpq    %r11, %rax
        jae     1f
        leaq    STACK_ABOVE(%rsp), %rax
        cmpq    %rax, \start
        jb      \near
1:
.endm

/* Calls target; %rdi and %rsi stay as they are. */
.macro call_keeping_arguments target
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        pushq   %rsi
        .cfi_adjust_cfa_offset 8
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    \target
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        popq    %rdi
        .cfi_adjust_cfa_offset -8
.endm

        .text
        .globl  madvise
        .type   madvise, @function
        .p2align 4
madvise:
        .cfi_startproc
        endbr64
        jump_if_near_stack %rdi, %rsi, .Lnear_stack
        jmp     madvise_apart
.Lnear_stack:
        movl    $SYSCALL_MADVISE, %eax
        syscall
        movq    %rax, %rdi
        jmp     madvise_over_stack      /* (result, length, advice) */
        .cfi_endproc
        .size   madvise, . - madvise

        .globl  process_madvise
        .type   process_madvise, @function
        .p2align 4
process_madvise:
        .cfi_startproc
        endbr64
.Lvector:
        movq    (%rsp), %r9             /* the caller */
        .irp    register, r8, rcx, rdx, rsi, rdi
        pushq   %\register
        .cfi_adjust_cfa_offset 8
        .endr
        pushq   $0                      /* the result */
        .cfi_adjust_cfa_offset 8
        pushq   %rsp                    /* a seventh argument: where that is */
        .cfi_adjust_cfa_offset 8
        call    site_process_madvise    /* %rdi to %r8 as they came */
        popq    %r11
        .cfi_adjust_cfa_offset -8
        popq    %r11
        .cfi_adjust_cfa_offset -8
        .irp    register, rdi, rsi, rdx, rcx, r8
        popq    %\register
        .cfi_adjust_cfa_offset -8
        .endr
        testb   %al, %al
        jnz     1f
        movq    %rcx, %r10
        movl    $SYSCALL_PROCESS_MADVISE, %eax
        syscall
        movq    %rax, %r11
1:      movq    %r11, %rdi
        jmp     syscall_result
        .cfi_endproc
        .size   process_madvise, . - process_madvise

        .globl  syscall
        .type   syscall, @function
        .p2align 4
syscall:
        .cfi_startproc
        endbr64
        movl    %edi, %eax              /* the kernel looks at no more than this */
        cmpl    $511, %eax
        ja      .Lpass
        leaq    syscall_watched(%rip), %r11
        cmpb    $0, (%r11,%rax)
        jne     .Lwatched
.Lpass:
        movq    next_syscall(%rip), %rax
        testq   %rax, %rax
        jz      .Lraw
        jmp     *%rax
.Lwatched:
        cmpl    $SYSCALL_PROCESS_MADVISE, %edi
        je      .Lvector_by_number
        cmpl    $SYSCALL_MADVISE, %edi
        jne     syscall_answer          /* same arguments, the seventh still on the stack */
        jump_if_near_stack %rsi, %rdx, .Lnear_stack_by_number
        jmp     syscall_answer
.Lnear_stack_by_number:
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        jmp     .Lnear_stack
.Lvector_by_number:
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        movq    %r8, %rcx
        movq    %r9, %r8
        jmp     .Lvector
.Lraw:
        /* Before start-up: as libc's own does it. */
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        movq    %r8, %r10
        movq    %r9, %r8
        movq    8(%rsp), %r9
        syscall
        cmpq    $-4095, %rax
        jae     .Lerror
        ret
.Lerror:
        movq    %rax, %rdi
        jmp     syscall_result
        .cfi_endproc
        .size   syscall, . - syscall

        /* A look at newly loaded objects first, where hooks are in use; then the real one, by a jump: it goes by its
           return address. */
        .globl  dlsym
        .type   dlsym, @function
        .p2align 4
dlsym:
        .cfi_startproc
        endbr64
        cmpb    $0, hooking_active(%rip)
        jne     .Llook
.Lfind:
        movq    next_dlsym(%rip), %rax
        testq   %rax, %rax
        jz      .Lresolve
        jmp     *%rax
.Llook:
        call_keeping_arguments hooking_before_dlsym
        jmp     .Lfind
.Lresolve:
        call_keeping_arguments next_resolve_dlsym
        movq    next_dlsym(%rip), %rax
        testq   %rax, %rax
        jz      1f
        jmp     *%rax
1:      ret                             /* NULL: there is none */
        .cfi_endproc
        .size   dlsym, . - dlsym

        /* The same functions under names that no other library can answer. */
        .globl  own_madvise, own_process_madvise, own_syscall
        .hidden own_madvise, own_process_madvise, own_syscall
        .set    own_madvise, madvise
        .set    own_process_madvise, process_madvise
        .set    own_syscall, syscall

        .section .note.GNU-stack, "", @progbits
