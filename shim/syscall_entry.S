/* The interposed syscall(2) function. Numbers that keepwarm watches go to C; any other is passed on by a jump
   with registers and stack as they came, so that calls which return twice (vfork, clone) or not at all still
   work. %rax and %r11 are free here: the caller expects them changed. */

        .text
        .globl  syscall
        .type   syscall, @function
        .p2align 4
syscall:
        .cfi_startproc
        endbr64
        cmpq    $511, %rdi
        ja      .Lpass
        leaq    syscall_watched(%rip), %r11
        cmpb    $0, (%r11,%rdi)
        jne     .Lwatched
.Lpass:
        movq    next_syscall(%rip), %rax
        testq   %rax, %rax
        jz      .Lraw
        jmp     *%rax
.Lwatched:
        jmp     syscall_answer          /* same arguments, the seventh still on the stack */
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
        jmp     syscall_failed
        .cfi_endproc
        .size   syscall, . - syscall

        .section .note.GNU-stack, "", @progbits
