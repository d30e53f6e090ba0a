/* KEEPWARM: how keepwarm works in this process. Pure: text in, options out. One table holds every key: it
   is what is parsed, what KEEPWARM=help prints, and what the manual is checked against. */
#ifndef SHIM_OPTIONS_H
#define SHIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/problems.h"
#include "shim/text.h"

enum mode { MODE_ON, MODE_OFF, MODE_VERIFY, MODE_OBSERVE, MODE_AB, MODE_COIN };
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum { OPTION_PATH = 256 };

/* How calls are found, beside the dynamic symbols. */
enum hook_kind { HOOK_PLT = 0, HOOK_GOT = 1, HOOK_INLINE = 2, HOOK_LIBC = 4 };

struct options {
    enum mode mode;
    bool mode_is_bad;        /* some mode= was: off, whatever another says */
    uint64_t slice_ns;       /* of MODE_AB */
    uint32_t coin;           /* of MODE_COIN: on with this probability, in billionths */
    uint64_t keep;           /* bytes */
    uint64_t budget;         /* bytes, unless: */
    unsigned budget_percent; /* of the smaller of RAM and the cgroup's limit; 0: budget says it */
    bool pressure;
    unsigned hooks;            /* enum hook_kind, ored */
    bool hooks_given;          /* and not just the default */
    char objects[OPTION_PATH]; /* pattern of what may be patched; "" the default */
    char exe[OPTION_PATH];
    char stats[OPTION_PATH]; /* "" none, "stderr", or a path with %p and %e */
    char live[OPTION_PATH];  /* "" none, or a path */
    enum log_level log;
    char log_file[OPTION_PATH]; /* "" messages go to stderr, and only before main */
    bool strict;
    bool help;
};

/* The defaults, then every key=value of settings in turn. A bad key or value keeps the default and is
   reported; a bad mode means off. settings may be empty. */
void options_parse(struct options *options, struct span settings, struct problems *problems);

/* Writes the table of keys for KEEPWARM=help. */
void options_help(struct text *text);

const char *mode_name(enum mode mode);

#endif
