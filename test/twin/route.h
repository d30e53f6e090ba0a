/* Mapping calls by every route that keepwarm can see. */
#ifndef TWIN_ROUTE_H
#define TWIN_ROUTE_H

#include <stddef.h>
#include <sys/types.h>

/* As libc's functions, errno included. In a group with OPS_ROUTES the calls go through libc, syscall() and
   inline system calls in turn; else through libc. */
void *route_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset);
int route_mprotect(void *at, size_t length, int protection);
int route_munmap(void *at, size_t length);
void *route_mremap(void *old, size_t old_length, size_t length, int flags, void *wanted);

#endif
