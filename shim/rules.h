/* KEEPWARM_REGIONS: which memory is served, and how. Pure: text in, rules out. */
#ifndef SHIM_RULES_H
#define SHIM_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/problems.h"
#include "shim/text.h"

enum { RULES_MAX = 32, RULES_TEXT = 8192 };

enum rule_policy { POLICY_AUTO, POLICY_SCAN, POLICY_RESTORE, POLICY_FORWARD };

struct rule {
    /* Selectors, all of which must hold. */
    bool anonymous;
    const char *file;    /* pattern of the mapped file's path; NULL: any mapping */
    const char *caller;  /* pattern of the calling object's path; NULL: any caller */
    uint64_t start, end; /* addresses, page-aligned inwards */
    uint64_t min, max;   /* length of the call, bytes */
    /* symbol=: the range is empty until the symbol is found, and never changes after that. */
    const char *symbol, *object;     /* NULL: none; any object */
    uint64_t limit_start, limit_end; /* what range= allows of it */
    /* Options. */
    uint64_t keep; /* bytes */
    enum rule_policy policy;
    bool cached;        /* vma=cache: taken to be promised */
    bool preset_caches; /* vma=cache, but of a preset, which cannot promise for the user: see
                           rules_trust_presets */
    bool stable;        /* image=stable */
    const char *text;   /* as it was written, for statistics */
};

struct rules {
    unsigned count;
    bool any_caller, any_cached, any_symbol,
        any_forced; /* does some rule have one? forced: a policy but auto */
    unsigned hooks; /* enum hook_kind, ored: what the presets want */
    struct rule rule[RULES_MAX];
    char text[RULES_TEXT]; /* what the rules' strings point into */
    unsigned text_used;
};

/* Parses `RULE[;RULE]...`, or lines with # comments when lines is true. keep is the threshold of rules that
   set none. One ; may end the rules, and lines may be empty; any other empty rule or setting is a bad one, as
   is what can match nothing (min over max). A bad rule is dropped with everything after it, and reported
   once: a lost exclusion must not let a later rule serve what it excluded. Rules before it stand. */
void rules_parse(struct rules *rules, struct span settings, bool lines, uint64_t keep,
                 struct problems *problems);

/* Turns vma=cache of presets on, where every mapping call of the hooked objects is seen; or off. */
void rules_trust_presets(struct rules *rules, bool guarded);

#endif
