/* The ways a process ends without running destructors, or becomes another program. */
#ifndef SHIM_ENDINGS_H
#define SHIM_ENDINGS_H

/* Writes what would be lost. */
void ending(void);

#endif
