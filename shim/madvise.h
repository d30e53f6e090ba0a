/* What the interposed functions answer, for the other ways in (libc's syscall). Results are the kernel's:
   negative errno. caller is the return address of the program's call. */
#ifndef SHIM_MADVISE_H
#define SHIM_MADVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>

long answer_madvise(uintptr_t start, size_t length, int advice, uintptr_t caller);

/* process_madvise, interposed or at a patched site: true, with *result, when it was answered; false when the
   kernel is to answer it (it is counted), with nothing of ours left on the stack. */
bool site_process_madvise(int pidfd, const struct iovec *vector, size_t length, int advice, unsigned flags,
                          uintptr_t caller, long *result);

/* The interposed functions, whoever else defines functions of these names. */
extern const char own_madvise[], own_process_madvise[], own_syscall[];

/* Where entry.S's madvise goes: when the range is apart from the stack, to answer it; and when it is not,
   with the kernel's answer. Both return as libc's madvise does. */
long madvise_apart(void *address, size_t length, int advice);
long madvise_over_stack(long result, size_t length, int advice);

#endif
