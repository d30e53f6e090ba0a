/* A site with every register in sight: loads all of them from one struct machine, passes the site, stores all to another.
 * void machine_pass(const struct machine *in, struct machine *out); one thread at a time. Offsets are stub_machine.h's. */
#include "test/unit/stub_machine.h"

	.text
	.globl	machine_pass, machine_after, machine_end
	.type	machine_pass, @function
machine_pass:
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	push	%rbp
	.cfi_adjust_cfa_offset 8
	push	%r12
	.cfi_adjust_cfa_offset 8
	push	%r13
	.cfi_adjust_cfa_offset 8
	push	%r14
	.cfi_adjust_cfa_offset 8
	push	%r15
	.cfi_adjust_cfa_offset 8
	mov	%rdi, in(%rip)
	mov	%rsi, out(%rip)
	mov	%rsp, stack(%rip)
	mov	%rdi, %r15
	cmpq	$1, M_LEVEL(%r15)
	jb	1f
	je	2f
.irp n, 0,1,2,3,4,5,6,7
	kmovq	M_MASKS + 8*\n(%r15), %k\n
.endr
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	vmovdqu64 M_VECTORS + 64*\n(%r15), %zmm\n
.endr
	jmp	3f
2:
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovdqu	M_VECTORS + 64*\n(%r15), %ymm\n
.endr
	jmp	3f
1:
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movdqu	M_VECTORS + 64*\n(%r15), %xmm\n
.endr
3:	push	M_FLAGS(%r15)
	popfq
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	mov	M_ZONE + 8*\n(%r15), %rax
	mov	%rax, -128 + 8*\n(%rsp)
.endr
	mov	M_RCX(%r15), %rcx
	mov	M_RDX(%r15), %rdx
	mov	M_RBX(%r15), %rbx
	mov	M_RBP(%r15), %rbp
	mov	M_RSI(%r15), %rsi
	mov	M_RDI(%r15), %rdi
	mov	M_R8(%r15), %r8
	mov	M_R9(%r15), %r9
	mov	M_R10(%r15), %r10
	mov	M_R11(%r15), %r11
	mov	M_R12(%r15), %r12
	mov	M_R13(%r15), %r13
	mov	M_R14(%r15), %r14
	mov	M_R15(%r15), %r15
	mov	$28, %eax
	mov	%r14, %rsi		/* moved into the thunk */
	syscall
machine_after:
	mov	%rcx, kept(%rip)
	mov	out(%rip), %rcx
	mov	%r11, M_R11(%rcx)
	mov	kept(%rip), %r11
	mov	%r11, M_RCX(%rcx)
	mov	%rax, M_RAX(%rcx)
	mov	%rdx, M_RDX(%rcx)
	mov	%rbx, M_RBX(%rcx)
	mov	%rbp, M_RBP(%rcx)
	mov	%rsi, M_RSI(%rcx)
	mov	%rdi, M_RDI(%rcx)
	mov	%r8, M_R8(%rcx)
	mov	%r9, M_R9(%rcx)
	mov	%r10, M_R10(%rcx)
	mov	%r12, M_R12(%rcx)
	mov	%r13, M_R13(%rcx)
	mov	%r14, M_R14(%rcx)
	mov	%r15, M_R15(%rcx)
	mov	%rsp, M_RSP(%rcx)
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	mov	-128 + 8*\n(%rsp), %r11
	mov	%r11, M_ZONE + 8*\n(%rcx)
.endr
	mov	stack(%rip), %rsp
	pushfq
	pop	M_FLAGS(%rcx)
	cld
	mov	in(%rip), %rdx
	mov	%rsp, %rax
	cmpq	$1, M_LEVEL(%rdx)
	jb	1f
	je	2f
.irp n, 0,1,2,3,4,5,6,7
	kmovq	%k\n, M_MASKS + 8*\n(%rcx)
.endr
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	vmovdqu64 %zmm\n, M_VECTORS + 64*\n(%rcx)
.endr
	vzeroupper
	jmp	3f
2:
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovdqu	%ymm\n, M_VECTORS + 64*\n(%rcx)
.endr
	vzeroupper
	jmp	3f
1:
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movdqu	%xmm\n, M_VECTORS + 64*\n(%rcx)
.endr
3:	mov	%rax, M_LEVEL(%rcx)		/* the rsp to compare M_RSP with */
	pop	%r15
	.cfi_adjust_cfa_offset -8
	pop	%r14
	.cfi_adjust_cfa_offset -8
	pop	%r13
	.cfi_adjust_cfa_offset -8
	pop	%r12
	.cfi_adjust_cfa_offset -8
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	ret
machine_end:
	.cfi_endproc
	.size	machine_pass, . - machine_pass

/* long site_short(void *address, unsigned long length, long advice): a site as gcc makes it. */
	.globl	site_short
	.type	site_short, @function
	.p2align 4
site_short:
	.cfi_startproc
	mov	$28, %eax
	syscall
	ret
	.cfi_endproc
	.size	site_short, . - site_short

/* The same as Go's assembler has it, and with something between; it straddles a cache line. */
	.globl	site_long
	.type	site_long, @function
	.p2align 6
	.skip	60, 0x90
site_long:
	.cfi_startproc
	.byte	0x48, 0xc7, 0xc0, 28, 0, 0, 0
	mov	%edx, %edx
	syscall
	ret
	.cfi_endproc
	.size	site_long, . - site_long

	.bss
	.p2align 3
in:	.quad	0
out:	.quad	0
stack:	.quad	0
kept:	.quad	0
	.section .note.GNU-stack,"",@progbits
