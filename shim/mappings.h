/* The interposed mapping calls: they end what vma=cache remembers of the range they touch. */
#ifndef SHIM_MAPPINGS_H
#define SHIM_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* To be called before and after a mapping call on [start, start+length), or on all memory. */
void mapping_changing(uintptr_t start, size_t length, bool everything);

#endif
