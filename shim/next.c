#include "shim/next.h"

#include <dlfcn.h>

#define NEXT_DEFINE(name) __typeof__(&name) next_##name;
NEXT_FUNCTIONS(NEXT_DEFINE)
#undef NEXT_DEFINE

void next_resolve(void)
{
#define NEXT_LOOK_UP(name) next_##name = (__typeof__(&name))dlsym(RTLD_NEXT, #name);
    NEXT_FUNCTIONS(NEXT_LOOK_UP)
#undef NEXT_LOOK_UP
}
