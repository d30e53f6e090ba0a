/* What patching asks /proc about this process. No allocation. */
#ifndef HOOKS_PROC_TEXT_H
#define HOOKS_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Is a debugger or tracer attached? True also when it cannot be told. */
bool proc_is_traced(void);

/* Does some thread block signal `number`? True also when it cannot be told. */
bool proc_blocks_signal(int number);

/* The protection (PROT_ flags) of the one mapping that holds [at, at + size); -1 when there is no such one.
 */
int proc_protection(const void *at, size_t size);

#endif
