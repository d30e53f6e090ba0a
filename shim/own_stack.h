/* Stacks of keepwarm's own, for calls from code that may have no 2 KiB of stack left. Go's runtime calls
   madvise where it has made sure of 800 bytes (cmd/internal/objabi/stack.go, StackLimit), on goroutines'
   stacks of 2 KiB. Its signal handlers all run on a stack of theirs (SA_ONSTACK), as they must. */
#ifndef SHIM_OWN_STACK_H
#define SHIM_OWN_STACK_H

#include <stdbool.h>

#include "hooks/stub.h"

/* Sets *result to what decide(call) returns, called on such a stack. False, and nothing is called, when all
   are in use. Signal-safe. Stack: 100 bytes. */
bool own_stack_decide(hook_decide *decide, struct hook_call *call, int *result);

/* In a fork child: see loan_forget_others. */
void own_stack_forget_others(void);

#endif
