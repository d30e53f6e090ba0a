/* Finds inline system calls of the numbers in site_numbers.h in one function's bytes, and says which can be
   patched. Pure: no process state, no allocation, no libc beyond string functions. */
#ifndef HOOKS_SITE_FINDER_H
#define HOOKS_SITE_FINDER_H

#include <stddef.h>
#include <stdint.h>

#include "hooks/site_numbers.h"
#include "hooks/site_reasons.h"

enum site_reason {
#define REASON(name, text) SITE_##name,
    SITE_REASONS(REASON)
#undef REASON
        SITE_REASON_COUNT
};

enum {
    SITE_MOV_LONGEST = 7,
    SITE_MOV_SHORTEST = 5,
    /* What a thunk copies at most, mov aside. Compilers were seen to put one or two instructions there. */
    SITE_BETWEEN_MOST = 8,
    SITE_BETWEEN_BYTES = 48,
};

/* One call. `mov` is the instruction that can become a jump: the one that puts the number into rax, or, where
   that will not do, a later one before the syscall. For a refused site it is the one with the number, of
   whatever kind. */
struct site {
    uint32_t mov; /* its offset from the start of the bytes */
    uint32_t
        syscall; /* offset of the syscall; for SITE_end and SITE_undecodable, of where the path was lost */
    uint16_t number;    /* of site_numbers */
    uint8_t mov_length; /* 5 to 7 when patchable */
    uint8_t between;    /* instructions between mov and syscall */
    uint8_t reason;     /* enum site_reason: SITE_patchable, or why not */
};

/* Finds the sites of `calls` in the function whose first instruction is code[0] and whose last byte is
   code[size - 1]. `targets`, which may be NULL when `target_count` is 0, are further offsets at which
   instructions are known to begin (a switch's cases, landing pads); offsets past the end are ignored. Code is
   followed from the start and from them, so that data between instructions is never taken for code. `marks`
   is scratch memory of `size` bytes that the caller owns; its content before and after means nothing. Writes
   at most `most` sites, ordered by address, and returns how many there are. Where that is more than `most`, one
   that did not fit and that two ways lead to may be counted twice. */
size_t site_find(enum site_calls calls, const uint8_t *code, uint32_t size, const uint32_t *targets,
                 size_t target_count, uint8_t *marks, struct site *sites, size_t most);

/* The name of a reason as listings print it, and the sentence that explains it. "?" for a number out of
 * range. */
const char *site_reason_name(unsigned reason);
const char *site_reason_text(unsigned reason);

#endif
