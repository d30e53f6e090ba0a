/* Rules for known runtimes: the one table from which preset=, `keepwarm presets` and the manual come. */
#ifndef SHIM_PRESETS_H
#define SHIM_PRESETS_H

#include "shim/text.h"

struct preset {
    const char *name;
    const char *rules;    /* in place of preset=NAME; settings given beside it are added to each, and win */
    unsigned hooks;       /* enum hook_kind, ored: used where KEEPWARM sets no hooks */
    const char *use;      /* what it is for */
    const char *measured; /* what it was seen to do */
};

/* NULL when there is none of that name. */
const struct preset *preset_find(struct span name);

/* The table, one after the other; NULL past its end. */
const struct preset *preset_at(unsigned index);

#endif
