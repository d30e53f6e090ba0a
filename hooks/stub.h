/* The assembly between a patched site and the C function that decides. */
#ifndef HOOKS_STUB_H
#define HOOKS_STUB_H

#include <stdint.h>

/* A system call at a patched site, as it would reach the kernel. Lies on the caller's stack: the layout is
 * stub.S's. */
struct hook_call {
    long arguments[6]; /* rdi, rsi, rdx, r10, r8, r9; not to be changed */
    long number;       /* of site_numbers.h; a decision that serves puts the result here, -errno
                          as the kernel would */
    uint64_t after;    /* where the host goes on: the address behind its syscall instruction */
    uint64_t flags;    /* the host's */
};

/* Nonzero: served, and call->number holds the result. 0: the host's own syscall runs next.
   Called with the host's vector and floating-point state live: this and all it calls must be built with
   -mgeneral-regs-only. Any stack, any lock may be the host's: nothing here may block, allocate or unwind. */
typedef int hook_decide(struct hook_call *call);

/* Who decides; set before the first site is patched. Only a pointer store: may be changed at any time. */
extern hook_decide *hook_decide_now __attribute__((visibility("hidden")));
extern hook_decide *hook_decide_in_little_stack_now __attribute__((visibility("hidden")));

/* Thunks jump here: rcx is the address behind the site's syscall, eax the number. Not callable from C. The
   first takes 216 bytes of the host's stack, and hook_decide_now whatever it needs; the other asks
   hook_decide_in_little_stack_now. */
extern const char hook_stub[] __attribute__((visibility("hidden")));
extern const char hook_stub_in_little_stack[] __attribute__((visibility("hidden")));

/* Calls `function` on another stack, whose highest address `top` is a multiple of 16. */
extern void hook_call_on(void (*function)(void), void *top) __attribute__((visibility("hidden")));

#endif
