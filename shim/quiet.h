/* Writing files from inside somebody else's process: no signal of ours reaches the host. */
#ifndef SHIM_QUIET_H
#define SHIM_QUIET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between these two, SIGPIPE and SIGXFSZ that this thread's writes raise are taken back. Nests. */
struct quiet {
    uint64_t blocked_before, pending_before;
};
void quiet_begin(struct quiet *quiet);
void quiet_end(const struct quiet *quiet);

/* May a file of ours be put at path? Only where there is none, or a regular one: a rename over a device, a
   FIFO or a link would destroy it. Returns 0, -EEXIST, or
   why it cannot be told. */
long quiet_may_replace(const char *path);

#endif
