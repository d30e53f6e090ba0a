/* What mode=observe has seen: one row for each kind of call, kept in tables of fixed size. Lock-free and
   signal-safe; whatever finds a table full is counted in the row of the others. */
#ifndef SHIM_OBSERVATIONS_H
#define SHIM_OBSERVATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/counters.h"

/* COUNT(name, text), of the calls that a row is about, and in them of the row's kind of mapping alone. */
#define OBSERVED(COUNT)                                                                                      \
    COUNT(calls, "calls")                                                                                    \
    COUNT(at_sites, "calls that came from a system call instruction which a hook has replaced")              \
    COUNT(bytes, "bytes of those calls")                                                                     \
    COUNT(present, "pages that were present")                                                                \
    COUNT(dirty, "pages that a reset would have restored")                                                   \
    COUNT(to_kernel, "present or swapped pages that it would have given to the real call")                   \
    COUNT(again, "present pages that an earlier call had dropped: a reset would have saved their faults")    \
    COUNT(call_ns, "time in the real call")                                                                  \
    COUNT(ask_ns, "time of asking for the mappings, as a reset would")                                       \
    COUNT(scan_ns, "time of the scan, likewise")                                                             \
    COUNT(faults, "page faults on a page of keepwarm's own, after one call in 64")                           \
    COUNT(fault_ns, "time they took")

enum observed {
#define OBSERVED_NAME(name, text) OBSERVED_##name,
    OBSERVED(OBSERVED_NAME)
#undef OBSERVED_NAME
        OBSERVED_COUNT
};

/* What a row is about. Names are numbers from observed_name. */
struct observed_key {
    uint8_t caller, mapping;
    uint8_t size;          /* of the call: at least 2^size bytes, and less than twice that */
    enum reason hindrance; /* why a reset could not serve it; REASON_COUNT: it could */
};

void observed_add(struct observed_key key, const uint64_t amounts[OBSERVED_COUNT]);

/* How many of these pages were passed before, and from now on they all were. Addresses; page-aligned. Pages
   are told apart by a hash: in a process that resets much more than 16 GiB of addresses some are mixed up. */
uint64_t observed_again(uintptr_t start, uintptr_t end);

/* The number of a name, which is copied, and cut at 127 bytes; 0 when the table is full. */
enum { OBSERVED_NAME_SIZE = 128 };
uint8_t observed_name(const char *name);

/* A memory of names by any key: 0 when there is none for it. */
uint8_t observed_recall(uint64_t key);
void observed_remember(uint64_t key, uint8_t name);

/* Row number `row` for printing; names point into the tables. False: past the last, or a row not in use. The
   first row is that of the others, with "other" for its names. */
enum { OBSERVED_ROWS = 128 };
struct observed_row {
    const char *caller, *mapping;
    uint64_t size; /* bytes, a power of two; 0 for the others */
    enum reason hindrance;
    uint64_t amounts[OBSERVED_COUNT];
};
bool observed_row(unsigned row, struct observed_row *shown);

const char *observed_count_name(enum observed count);

/* In a fork child: starts again from nothing. */
void observed_clear(void);

#endif
