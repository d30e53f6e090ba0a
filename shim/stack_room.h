/* How near the stack a range must be for a call to be left to the kernel with nothing pushed. For C and
   assembly. */
#ifndef SHIM_STACK_ROOM_H
#define SHIM_STACK_ROOM_H

/* Bytes: what a reset may need below its caller's frame, with room to spare; what that caller may hold above.
 */
#define STACK_BELOW 4096
#define STACK_ABOVE 1024

#endif
