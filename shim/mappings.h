/* The interposed mapping calls: they end what vma=cache remembers of the range they touch. */
#ifndef SHIM_MAPPINGS_H
#define SHIM_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does a mapping call end anything that is remembered? */
bool mapping_is_remembered(void);

/* To be called before and after a mapping call on [start, start+length), or on all memory. */
void mapping_changing(uintptr_t start, size_t length, bool everything);

/* Is nothing known of what this mapping call touches? */
bool mapping_is_anywhere(long number);

/* The same for a call by its number, with the arguments in the order of the registers. */
void mapping_touching(long number, const long arguments[6]);

/* The system call, with all that is due around it. Returns the kernel's answer: -errno on failure. */
long mapping_call(long number, const long arguments[6]);

#endif
