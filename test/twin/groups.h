/* Groups of episodes: the library's settings, the kinds of memory, and the steps that go with them. */
#ifndef TWIN_GROUPS_H
#define TWIN_GROUPS_H

#include <stdbool.h>

enum ops_class {
    OPS_BASE = 1 << 0,
    OPS_MAP = 1 << 1,
    OPS_FILE = 1 << 2,
    OPS_CALLS = 1 << 3,
    OPS_LOCK = 1 << 4,
    OPS_INLINE_LOCK = 1 << 5, /* locks by an inline system call, which no preload sees */
    OPS_VECTOR = 1 << 6,
    OPS_SWAP = 1 << 7,
    OPS_THP = 1 << 8,
    OPS_FORK = 1 << 9,
    OPS_VFORK = 1 << 10,
    OPS_CLOSE = 1 << 11,
    OPS_THREAD = 1 << 12,
    OPS_SIGNAL = 1 << 13,
    OPS_STACK = 1 << 14,
    OPS_UFFD = 1 << 15,
    OPS_KSM = 1 << 16,
    OPS_VVAR = 1 << 17,
    OPS_PKEY = 1 << 18,
    OPS_RENEW = 1 << 19,
    OPS_ROUTES = 1 << 20, /* mapping calls by every route, instead of libc's alone */
};

struct group {
    const char *name;
    unsigned weight;
    unsigned steps;
    unsigned pairs;
    const char *regions; /* NULL: KEEPWARM_REGIONS unset */
    const char *options;
    unsigned kinds;
    unsigned classes;
    int place;
    bool in_places;      /* taken by runs with --place */
    unsigned must_serve; /* percent of the resets, at least: the library must not have given up */
};

/* The group of an episode; with a place, one of those that run there. */
const struct group *group_of(unsigned long seed, unsigned long episode, int place);
unsigned group_count(void);
const struct group *group_at(unsigned index);
unsigned group_index(const struct group *group);
/* False: what the group needs is missing on this machine, and it runs as the first group instead. */
bool group_possible(const struct group *group, unsigned long machine);

#endif
