/* Why a place that calls the kernel is patched or left alone: the one table from which listings, statistics
   and manual come. REASON(name, text): the name is what keepwarm-sites prints. The first row is the only one
   that says yes. */
#ifndef HOOKS_SITE_REASONS_H
#define HOOKS_SITE_REASONS_H

#define SITE_REASONS(REASON)                                                                                 \
    REASON(patchable, "the mov can become a jump")                                                           \
    /* What the bytes say (site_finder.c). */                                                                \
    REASON(branch, "a branch between mov and syscall")                                                       \
    REASON(stack, "an instruction between uses the stack pointer")                                           \
    REASON(rip_relative, "an operand between is relative to the instruction pointer")                        \
    REASON(endbr, "an endbr64 between: an indirect branch may land there")                                   \
    REASON(instruction, "an instruction between that keepwarm does not move")                                \
    REASON(changed, "the number is computed further after the mov")                                          \
    REASON(register, "the number comes through another register")                                            \
    REASON(encoding, "the number is set by another encoding than the two that are replaced")                 \
    REASON(distance, "too far from mov to syscall")                                                          \
    REASON(target_inside, "a branch lands inside an instruction of the site")                                \
    REASON(undecodable, "the function holds bytes that do not decode")                                       \
    REASON(unreached, "no path from the function's start leads here: data, or a switch's case")              \
    REASON(end, "the function ends before the syscall")                                                      \
    REASON(complex, "the function's branches are too many to follow")                                        \
    /* What the file says (site_list.c, inline.c). */                                                        \
    REASON(no_function, "no symbol or unwind table says where its function begins")                          \
    REASON(small_stack, "Go's code may have too little stack here for a vector of ranges")                   \
    /* What the process says (patch.c, thunk.c). */                                                          \
    REASON(replaced, "the file is no longer the one that was mapped, or its build-id differs")               \
    REASON(unreadable, "the object's file cannot be read, or is damaged")                                    \
    REASON(slot, "the slot holds neither libc's function nor anything that will become it")                  \
    REASON(no_entry, "libc's function does not begin as those of known builds do")                           \
    REASON(mismatch, "the bytes in memory are not those of the file")                                        \
    REASON(no_thunk, "no executable memory to be had within 2 GiB")                                          \
    REASON(unwritable, "the code cannot be written")                                                         \
    REASON(trap_blocked, "a thread blocks SIGTRAP, so the site cannot be changed while threads run")         \
    REASON(traced, "a debugger is attached: it would take the trap that changing a live site needs")         \
    REASON(no_barrier, "the kernel offers no instruction barrier for a running process")                     \
    REASON(too_many, "more sites changed while threads ran than keepwarm remembers")

#endif
