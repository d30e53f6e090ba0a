#include "shim/sites.h"

static struct sites sites;

const struct sites *sites_known(void)
{
    return &sites;
}

static bool is_worth_a_row(const struct hooks_object *o)
{
    return o->plt || o->got || o->inlined || o->libc || o->unpatchable;
}

void sites_note_object(const struct hooks_object *object)
{
    unsigned count = sites.object_count, i = 0;
    while (i < count && sites.object[i].path != object->path)
        i++;
    if (i == SITES_OBJECTS || (i == count && !is_worth_a_row(object)))
        return;
    sites.object[i] = *object;
    if (i == count)
        __atomic_store_n(&sites.object_count, count + 1, __ATOMIC_RELEASE);
}

void sites_note_left(const struct hooks_unpatched *place)
{
    unsigned count = sites.left_count, i = 0;
    while (i < count && (sites.left[i].path != place->path || sites.left[i].address != place->address))
        i++;
    if (i == SITES_LEFT)
        return;
    sites.left[i] = *place;
    if (i == count)
        __atomic_store_n(&sites.left_count, count + 1, __ATOMIC_RELEASE);
}
