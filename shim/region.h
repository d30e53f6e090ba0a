/* Which rule serves a piece of memory, and which mapping can be served at all. Pure. */
#ifndef SHIM_REGION_H
#define SHIM_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/image.h"
#include "scan/vma.h"
#include "shim/counters.h"
#include "shim/rules.h"

/* A calling object with a longer path matches no pattern. */
enum { NAME_SHOWN = 512 };

/* What is known of a call before its mappings are. */
struct call {
    uintptr_t start, end; /* page-aligned */
    uintptr_t caller;     /* the return address */
    uint32_t callers;     /* bit i: rule i's caller pattern matches the calling object */
    bool at_site;         /* it comes from a hooked system call instruction, not from a symbol */
    bool vectors_free;    /* it was a function's, for which compilers keep nothing in vector registers */
};

/* Turns a path as maps prints it into what file= matches: without " (deleted)", and a memfd as `memfd:NAME`.
 */
void region_normalise(char *path);

/* bit i: rule i's file pattern matches the normalised path. */
uint32_t region_file_matches(const struct rules *rules, const char *path);

/* bit i: rule i's caller pattern matches path, or its base name. */
uint32_t region_caller_matches(const struct rules *rules, const char *path);

/* Does any rule's min, max, range and caller allow some of the call? Costs a few ns a rule. */
bool region_may_match(const struct rules *rules, const struct call *call);

/* The first rule that matches the mapping at position, or -1. files is what region_file_matches said of it;
   0 and false for anonymous memory. *end, where the mapping's part of the call ends, is moved down to where
   the answer stops being true (a range selector begins or ends). */
int region_match(const struct rules *rules, const struct call *call, bool anonymous, uint32_t files,
                 uintptr_t position, uintptr_t *end);

/* bit i: rule i promises that a file with these matches is stable. */
uint32_t region_promises(const struct rules *rules, uint32_t files);

/* Why a mapping can never be written to by a reset: protection, shared, hugetlb; or REASON_COUNT. */
enum reason region_hindrance(const struct vma *vma);

#endif
