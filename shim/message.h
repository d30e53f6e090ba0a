/* Lines for people. Before main they go to stderr; later fd 2 may be a closed pipe or the host's data, so
   they go to the log file if there is one, and nowhere if not. */
#ifndef SHIM_MESSAGE_H
#define SHIM_MESSAGE_H

#include <stddef.h>

#include "shim/options.h"

/* Says where messages of which level go from now on. */
void message_start(enum log_level level, const char *log_file);

/* From here on stderr is the host's. */
void message_main_began(void);

/* Writes one line `keepwarm: WORDS...` of the parts, which end with NULL. Signal-safe; at most 100 lines a
   process after main began. */
void message(enum log_level level, ...) __attribute__((sentinel));

/* Writes `keepwarm: WHAT: PATH: ERRNO`. error may be negative. */
void message_failure(enum log_level level, const char *what, const char *path, long error);

/* Writes bytes that are whole lines already, to stderr, without raising SIGPIPE. */
void message_stderr(const char *bytes, size_t length);

#endif
