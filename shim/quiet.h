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

/* Makes a new file that can become path by a rename, and puts its name into temporary: path with `.tmp.PID`,
   where there is none or one that a killed process of this number left. A rename over a device, a FIFO or a
   link would destroy it: only where there is nothing at path, or a regular file. Returns a descriptor, open
   for reading and writing, or a negative errno. */
long quiet_create_for(const char *path, int pid, char *temporary, size_t size);

#endif
