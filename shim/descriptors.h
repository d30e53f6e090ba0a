/* Keeps keepwarm's few descriptors out of the host's way, and the host's hands off them: to the host they are
   not there. Stateless but for one case (a dup2 onto a number of ours), so that a vfork child, which has a
   descriptor table of its own but runs in our memory, changes nothing of the parent's. */
#ifndef SHIM_DESCRIPTORS_H
#define SHIM_DESCRIPTORS_H

#include <stdbool.h>

bool descriptor_is_ours(int fd);

/* Before a dup2 or dup3: false when from is none of the host's (EBADF). Otherwise moves one of ours away from
   the number to. */
bool descriptors_prepare_dup(int from, int to);

/* close_range, but for ours. Returns 0 or a negative errno. */
long descriptors_close_range(unsigned first, unsigned last, int flags);

#endif
