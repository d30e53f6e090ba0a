/* Notices what dlopen loads, in time for its constructors. */
#ifndef HOOKS_LOADER_H
#define HOOKS_LOADER_H

#include "hooks/elf_file.h"
#include "hooks/patch.h"

/* Has `told` called whenever the loader tells debuggers that its list of objects changed (<link.h>), in the
   thread that loads, under the loader's lock, on a stack with room. Not from within itself. `file` is the
   loader's, `bias` what to add to its addresses. Returns SITE_patchable, or why nothing was changed. Once in
   a process. */
enum site_reason loader_watch(const struct elf_file *file, uint64_t bias, void (*told)(void),
                              enum patch_how how);

#endif
