/* What a program may do that makes a reset unsafe or inexact: noticed where it is done, by interposition. */
#ifndef SHIM_HAZARDS_H
#define SHIM_HAZARDS_H

#include <stdbool.h>

/* A userfaultfd exists: a reset of a registered range must send events, and no check shows registration. It
   belongs to the memory, so a vfork child's counts too. */
void hazard_userfaultfd(void);
bool hazard_ioctl_makes_userfaultfd(unsigned long request);

/* Protection keys are in use: the kernel ignores them where a store of ours would fault. */
void hazard_pkeys(void);

/* A filter or a dispatcher of system calls is about to be installed: it may kill at any call that a reset
   makes. Returns false when every call is forwarded already. If the installation fails, say so. */
bool hazard_prctl_sandboxes(int option);
bool hazard_sandbox_begins(void);
void hazard_sandbox_failed(void);

#endif
