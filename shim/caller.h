/* Which object made a call, by its return address: for caller= rules. */
#ifndef SHIM_CALLER_H
#define SHIM_CALLER_H

#include <stdint.h>

/* Bit i: rule i's caller pattern matches the object that holds this code address. Remembered for each call
   site; the first time it asks the kernel which file is mapped there, as no loader function is lock-free on
   every libc. 0 when it cannot be told. */
uint32_t caller_matches(uintptr_t address);

/* Forgets what was remembered: objects may have moved. */
void caller_forget_all(void);

#endif
