/* One reset of both sides: the real call on one, the libc symbol on the other. */
#ifndef TWIN_RESET_H
#define TWIN_RESET_H

#include "twin.h"

/* Length and offset as the call gets them: they may be odd, or begin before the pair. Compares unless told to
 * wait. */
void reset_bytes(struct pair *pair, long offset, size_t length, int advice);
void reset_pages(struct pair *pair, size_t first, size_t end);
/* A range of pages such as runtimes use, at times into the gaps. */
void reset_pick(const struct pair *pair, long *first, long *end);
/* The library's side of a call; `by_number`: through syscall(). */
struct outcome reset_library(void *at, size_t length, int advice, bool by_number);
/* Counts rows for a range about to be reset, and after it succeeded forgets what was on its pages. */
void reset_count(const struct pair *pair, long first, long end, int advice);
void reset_done(struct pair *pair, long first, long end);
/* Steps: ordinary resets; arguments that the kernel refuses. */
void op_reset(struct pair *pair);
void op_arguments(struct pair *pair);

#endif
