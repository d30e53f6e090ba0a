/* Calls that come in through hooks.so's assembly stub, from a patched system call instruction. */
#ifndef SHIM_SITE_CALL_H
#define SHIM_SITE_CALL_H

#include "hooks/hooks.h"

/* Serves the call, or declines it: then the host's own instruction makes it, and it is counted here as if we
   had made it. The host's vector registers are live. */
int site_call_decide(struct hook_call *call);

/* The same for code that may have little stack left: keepwarm uses 400 bytes of it. */
int site_call_decide_in_little_stack(struct hook_call *call);

#endif
