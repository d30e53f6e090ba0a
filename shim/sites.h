/* What hooks.so found and did, kept for the statistics: written by one thread at a time, read by any. */
#ifndef SHIM_SITES_H
#define SHIM_SITES_H

#include "hooks/hooks.h"

enum { SITES_OBJECTS = 128, SITES_LEFT = 64 };

struct sites {
    unsigned object_count, left_count; /* entries below are whole */
    struct hooks_object object[SITES_OBJECTS];
    struct hooks_unpatched left[SITES_LEFT];
};

/* Take over what hooks.so reports, in place of what it said of the same object or place before. */
void sites_note_object(const struct hooks_object *object);
void sites_note_left(const struct hooks_unpatched *place);

const struct sites *sites_known(void);

#endif
