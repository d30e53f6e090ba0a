/* hooks.so as libkeepwarm sees it: finds the calls that preloading misses, and leads them to keepwarm. Loaded
   by dlopen; the functions below are found by dlsym, under their own names. Not for the call path: they
   allocate, open files and take the loader's lock. */
#ifndef HOOKS_HOOKS_H
#define HOOKS_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "hooks/stub.h"

enum hooks_kind {
    HOOKS_GOT = 1,    /* pointers to madvise, process_madvise and syscall that lead past us */
    HOOKS_INLINE = 2, /* system call instructions with the number in a mov before them */
    HOOKS_LIBC = 4,   /* libc's own madvise and process_madvise, for its internal callers and for dlsym's */
};

/* What was found in one object, and done. */
struct hooks_object {
    const char *path;     /* as /proc/self/maps prints it; valid for ever, and unique: compare the pointer */
    unsigned plt;         /* slots that lead to us already: preloading reached them */
    unsigned got;         /* slots changed */
    unsigned inlined;     /* inline sites patched */
    unsigned libc;        /* entries of libc patched */
    unsigned unpatchable; /* places left alone */
};

/* One place that was left alone. All strings are valid for ever. */
struct hooks_unpatched {
    const char *path, *kind, *reason, *text;
    const char *call; /* NULL: not known */
    uint64_t address; /* in memory; 0: the whole object */
    bool maps;        /* it may change mappings, and those were asked for */
};

/* What is to be hooked, and whom to tell. The struct is copied; what it points to must stay. */
struct hooks_request {
    unsigned kinds;                   /* enum hooks_kind, ored; 0: symbols only */
    bool mappings;                    /* inline: also the calls that change mappings */
    bool rehearsal;                   /* also make every kind of system call that may come later */
    bool (*wanted)(const char *path); /* may this object's slots and inline sites be changed? */
    hook_decide *decide;              /* for inline and libc; also marks the object that is never touched */
    hook_decide *decide_in_little_stack;             /* for inline sites in Go's code */
    const void *madvise, *process_madvise, *syscall; /* what slots shall point to */
    /* Told after an object was looked at; again, with new numbers, when it is loaded again. */
    void (*object)(const struct hooks_object *object);
    void (*unpatched)(const struct hooks_unpatched *place);
    /* With HOOKS_INLINE: called in the middle of each dlopen and dlclose, by the thread that is in it and
       holds the loader's lock; before constructors run. To call hooks_look_again(true) from. */
    void (*loading)(void);
    /* Another namespace's libc (dlmopen): calls from there expect their error in its errno. */
    void (*other_errno)(int *(*location)(void));
};

/* Looks at everything that is loaded. To be called once, before main. Returns 0, or a negative errno when
   nothing could be looked at. */
typedef int hooks_install_function(const struct hooks_request *request);

/* Looks at what was loaded since. Cheap when nothing was (one dl_iterate_phdr that stops at once). loading:
   the loader is not done with it, so slots are left to the next look. Returns whether there was anything new.
   Never blocks on another thread that is looking; never calls itself; no cancellation point. */
typedef bool hooks_look_again_function(bool loading);

/* The extent of the data symbol `name` in memory. object: a path, base name, or shell pattern for either;
   NULL: the first object that has one, in load order. False when there is none now. */
typedef bool hooks_symbol_function(const char *name, const char *object, uint64_t *start, uint64_t *end);

extern hooks_install_function hooks_install;
extern hooks_look_again_function hooks_look_again;
extern hooks_symbol_function hooks_symbol;

#endif
