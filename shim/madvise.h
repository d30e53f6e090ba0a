/* What the interposed functions answer, for the other ways in (libc's syscall). Results are the kernel's:
   negative errno. caller is the return address of the program's call. */
#ifndef SHIM_MADVISE_H
#define SHIM_MADVISE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

long answer_madvise(uintptr_t start, size_t length, int advice, uintptr_t caller);
long answer_process_madvise(int pidfd, const struct iovec *vector, size_t length, int advice, unsigned flags,
                            uintptr_t caller);

#endif
