/* What a program may do that makes a reset unsafe or inexact: noticed where it is done, by interposition. */
#ifndef SHIM_HAZARDS_H
#define SHIM_HAZARDS_H

#include <stdbool.h>
#include <sys/resource.h>

/* A userfaultfd exists: a reset of a registered range must send events, and no check shows registration. It
   belongs to the memory, so a vfork child's counts too. */
void hazard_userfaultfd(void);
bool hazard_ioctl_makes_userfaultfd(unsigned long request);

/* The process has protection keys: the kernel ignores them where a store of ours would fault, so memory is
   served only to threads to which no key is closed. */
void hazard_pkeys(void);

/* prctl or seccomp is about to install a filter or a dispatcher of system calls, which may kill at any call
   that a reset makes: nothing is served from here on, even if the installation fails (another thread's may
   succeed meanwhile). Unless the filter spares them, statistics and live file are written for the last time.
   A filter of all threads, where there are more than one, waits 30 ms: for resets that are under way. */
void hazard_prctl(int option, long mode, const void *program);
void hazard_seccomp(unsigned operation, unsigned flags, const void *program);

/* A resource limit is about to change. limit may be NULL. */
void hazard_limit(int resource, const struct rlimit *limit);

#endif
