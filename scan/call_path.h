/* How the code is laid out that every served call runs through. After a system call the kernel's branches
   have taken the place of ours in the processor's tables: there each jump costs about a nanosecond, and each
   return from a function that was called before it 8 (Zen 4, Safe RET). */
#ifndef SCAN_CALL_PATH_H
#define SCAN_CALL_PATH_H

/* Which way a call mostly goes: that is then one line of code. */
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* A part of a served call's one function, however large. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Before the definition of a function that is declared in a header: its callers in other files take it in
   too, where the linker optimises. */
#define INLINED extern inline __attribute__((always_inline))

#endif
