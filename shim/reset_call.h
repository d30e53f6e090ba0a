/* Answers one MADV_DONTNEED or MADV_DONTNEED_LOCKED call on this process's memory. */
#ifndef SHIM_RESET_CALL_H
#define SHIM_RESET_CALL_H

#include <stddef.h>
#include <stdint.h>

/* Serves or forwards madvise(start, length, advice) and counts what it did. caller is the return address of
   the call, for caller= rules. Returns what the kernel would: 0 or a negative errno. May run anywhere: in
   malloc, a signal handler, on a small stack (2 KiB are used). errno is not touched. */
long reset_call(uintptr_t start, size_t length, int advice, uintptr_t caller);

/* Makes the real madvise call, of any advice, and counts it as made by keepwarm. */
long pass_on_madvise(uintptr_t start, size_t length, int advice);

#endif
