#include "shim/next.h"

#include <dlfcn.h>

#define NEXT_DEFINE(name) __typeof__(&name) next_##name;
NEXT_FUNCTIONS(NEXT_DEFINE)
#undef NEXT_DEFINE

void *next_dlsym;

enum { NAMESPACES = 15 };
static int *(*other_errno[NAMESPACES])(void);

void next_add_errno(int *(*location)(void))
{
    for (unsigned i = 0; i < NAMESPACES; i++) {
        if (other_errno[i] == location)
            return;
        if (!other_errno[i]) {
            __atomic_store_n(&other_errno[i], location, __ATOMIC_RELEASE);
            return;
        }
    }
}

void next_set_errno(int error)
{
    errno = error;
    for (unsigned i = 0; i < NAMESPACES && other_errno[i]; i++)
        *other_errno[i]() = error;
}

/* Our own dlsym is what this library's calls find, so this one is asked for by version: before glibc 2.34 it
   was another. A sanitizer's runtime comes here before it is ready itself. */
__attribute__((no_sanitize("thread"), no_sanitize("address"))) void next_resolve_dlsym(void)
{
    void *found = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (!found)
        found = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    __atomic_store_n(&next_dlsym, found, __ATOMIC_RELEASE);
}

void next_resolve(void)
{
    next_resolve_dlsym();
#define NEXT_LOOK_UP(name) next_##name = (__typeof__(&name))dlsym(RTLD_NEXT, #name);
    NEXT_FUNCTIONS(NEXT_LOOK_UP)
#undef NEXT_LOOK_UP
}
