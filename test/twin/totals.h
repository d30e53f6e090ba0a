/* What the library's own statistics say, added up over all processes. */
#ifndef TWIN_TOTALS_H
#define TWIN_TOTALS_H

#include "../../shim/reasons.h"

enum reason_number {
#define REASON(name, text) NUMBER_OF_##name,
    REASONS(REASON)
#undef REASON
        REASON_COUNT
};

struct totals {
    unsigned long processes, calls, served, forwarded, verify_differences;
    unsigned long declined[REASON_COUNT];
    unsigned long unbalanced; /* processes whose calls are not served + forwarded */
};

/* Adds a statistics file's text; a key that is not known is passed over. */
void totals_add_text(struct totals *totals, const char *text);
/* Adds every .json file of a folder, and removes what is in it. */
void totals_add_folder(struct totals *totals, const char *folder);
void totals_add(struct totals *totals, const struct totals *more);
const char *reason_name(unsigned reason);

#endif
