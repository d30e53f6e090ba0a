/* The way from a patched site to the decision and back.
 *
 *   host:   jmp thunk            was: mov $28,%eax
 *   thunk:  mov $28,%eax         and copies of what lies between mov and syscall, with the host's rsp
 *           movabs $after,%rcx
 *           movabs $hook_stub,%r11
 *           jmp *%r11
 *   here:   saves, calls *hook_decide_now, restores
 *           served:   rax = result, jmp after
 *           declined: rax = number, jmp after - 2, the host's live syscall
 *
 * As with a real system call only rax, rcx and r11 differ afterwards: rcx holds the return address and r11 the flags,
 * just as the kernel leaves them. The call of the decision is balanced by its own ret, so a shadow stack stays in step.
 *
 * To an unwinder the host's function has called this one: the frame's CFA is the rsp of the site, and the return address
 * is `after`, kept in rcx and then in the frame.
 */
#define RED_ZONE 128
#define DIRECTION_FLAG 0x400

	.text
.macro STUB name, decide
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	.cfi_def_cfa %rsp, 0
	.cfi_register %rip, %rcx
	lea	-RED_ZONE(%rsp), %rsp		/* lea, for the flags are still the host's */
	.cfi_def_cfa_offset RED_ZONE
	pushfq
	.cfi_adjust_cfa_offset 8
	push	%rcx
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rip, -(RED_ZONE + 16)
	push	%rax
	.cfi_adjust_cfa_offset 8
	push	%r9
	.cfi_adjust_cfa_offset 8
	push	%r8
	.cfi_adjust_cfa_offset 8
	push	%r10
	.cfi_adjust_cfa_offset 8
	push	%rdx
	.cfi_adjust_cfa_offset 8
	push	%rsi
	.cfi_adjust_cfa_offset 8
	push	%rdi
	.cfi_adjust_cfa_offset 8
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rbp, -(RED_ZONE + 80)
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	lea	8(%rsp), %rdi			/* struct hook_call */
	and	$-16, %rsp
	cld
	call	*\decide(%rip)
	mov	%eax, %r11d
	mov	%rbp, %rsp
	.cfi_def_cfa_register %rsp
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	pop	%rsi
	.cfi_adjust_cfa_offset -8
	pop	%rdx
	.cfi_adjust_cfa_offset -8
	pop	%r10
	.cfi_adjust_cfa_offset -8
	pop	%r8
	.cfi_adjust_cfa_offset -8
	pop	%r9
	.cfi_adjust_cfa_offset -8
	pop	%rax				/* the number, or the result in its place */
	.cfi_adjust_cfa_offset -8
	pop	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	test	%r11d, %r11d
	jnz	1f
	sub	$2, %rcx			/* declined: to the syscall itself */
1:	mov	(%rsp), %r11
	test	$DIRECTION_FLAG, %r11d
	jnz	2f
	/* popfq takes 6 ns, this one: only the status flags and the direction have changed. */
	mov	%rax, -8(%rsp)
	mov	1(%rsp), %al
	shr	$3, %al				/* the overflow flag is bit 11 */
	and	$1, %al
	add	$127, %al			/* overflows when it was set */
	mov	(%rsp), %ah
	sahf
	mov	-8(%rsp), %rax
	lea	8 + RED_ZONE(%rsp), %rsp
	.cfi_remember_state
	.cfi_def_cfa_offset 0
	jmp	*%rcx
2:	.cfi_restore_state
	popfq
	.cfi_adjust_cfa_offset -8
	lea	RED_ZONE(%rsp), %rsp
	.cfi_def_cfa_offset 0
	jmp	*%rcx
	.cfi_endproc
	.size	\name, . - \name
.endm

	STUB	hook_stub, hook_decide_now
	STUB	hook_stub_in_little_stack, hook_decide_in_little_stack_now

/* hook_call_on(function, top): the frame stays on the caller's stack, what the function pushes goes elsewhere. */
	.globl	hook_call_on
	.hidden	hook_call_on
	.type	hook_call_on, @function
	.p2align 4
hook_call_on:
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	mov	%rsi, %rsp
	call	*%rdi
	mov	%rbp, %rsp
	.cfi_def_cfa_register %rsp
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size	hook_call_on, . - hook_call_on

	.data
.macro POINTER name
	.globl	\name
	.hidden	\name
	.type	\name, @object
	.size	\name, 8
	.p2align 3
\name:
	.quad	0
.endm

	POINTER	hook_decide_now
	POINTER	hook_decide_in_little_stack_now

	.section .note.GNU-stack,"",@progbits
