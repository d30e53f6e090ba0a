#include "shim/mappings.h"

#include <stdarg.h>

#include "shim/caller.h"
#include "shim/hazards.h"
#include "shim/next.h"
#include "shim/plan_cache.h"
#include "shim/state.h"

/* Nothing is remembered when no rule caches and the kernel can be asked each time. */
bool mapping_is_remembered(void)
{
    return !process.inert && (process.rules.any_cached || !process.procmap);
}

void mapping_changing(uintptr_t start, size_t length, bool everything)
{
    if (!mapping_is_remembered())
        return;
    if (everything)
        plan_cache_forget_all();
    else
        plan_cache_forget(start, length);
}

bool mapping_is_anywhere(long number)
{
    return number == SYS_mlockall || number == SYS_brk || number == SYS_shmat || number == SYS_shmdt;
}

void mapping_touching(long number, const long arguments[6])
{
    uintptr_t start = (uintptr_t)arguments[0];
    size_t length = (size_t)arguments[1];
    if (number == SYS_mmap && !(arguments[3] & MAP_FIXED))
        return; /* the kernel chooses, and tells afterwards */
    if (number == SYS_mremap) {
        size_t wanted = (size_t)arguments[2];
        length = wanted > length ? wanted : length;
        if (arguments[3] & MREMAP_FIXED)
            mapping_changing((uintptr_t)arguments[4], wanted, false);
    }
    mapping_changing(start, length, mapping_is_anywhere(number));
}

long mapping_call(long number, const long arguments[6])
{
    mapping_touching(number, arguments);
    long result = prim_call6(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                             arguments[5]);
    mapping_touching(number, arguments);
    if ((number == SYS_mmap || number == SYS_mremap) && !prim_failed(result))
        mapping_changing((uintptr_t)result, (size_t)arguments[number == SYS_mmap ? 1 : 2], false);
    return result;
}

EXPORT void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (flags & MAP_FIXED)
        mapping_changing((uintptr_t)address, length, false);
    void *result = CALL_NEXT(mmap, prim_mmap((uintptr_t)address, length, protection, flags, fd, offset),
                             address, length, protection, flags, fd, offset);
    if (result != MAP_FAILED)
        mapping_changing((uintptr_t)result, length, false);
    return result;
}

EXPORT void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));

EXPORT int munmap(void *address, size_t length)
{
    mapping_changing((uintptr_t)address, length, false);
    int result = CALL_NEXT(munmap, prim_munmap((uintptr_t)address, length), address, length);
    mapping_changing((uintptr_t)address, length, false);
    return result;
}

EXPORT void *mremap(void *old, size_t old_length, size_t length, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *wanted = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    size_t most = old_length > length ? old_length : length;
    mapping_changing((uintptr_t)old, most, false);
    mapping_changing((uintptr_t)wanted, wanted ? length : 0, false);
    void *result = CALL_NEXT(
        mremap, prim_call6(SYS_mremap, (long)old, (long)old_length, (long)length, flags, (long)wanted, 0),
        old, old_length, length, flags, wanted);
    mapping_changing((uintptr_t)old, most, false);
    if (result != MAP_FAILED)
        mapping_changing((uintptr_t)result, length, false);
    return result;
}

EXPORT int mprotect(void *address, size_t length, int protection)
{
    mapping_changing((uintptr_t)address, length, false);
    int result = CALL_NEXT(mprotect, prim_call3(SYS_mprotect, (long)address, (long)length, protection),
                           address, length, protection);
    mapping_changing((uintptr_t)address, length, false);
    return result;
}

EXPORT int pkey_mprotect(void *address, size_t length, int protection, int key)
{
    mapping_changing((uintptr_t)address, length, false);
    int result = CALL_NEXT(pkey_mprotect,
                           prim_call6(SYS_pkey_mprotect, (long)address, (long)length, protection, key, 0, 0),
                           address, length, protection, key);
    mapping_changing((uintptr_t)address, length, false);
    return result;
}

EXPORT int pkey_alloc(unsigned flags, unsigned rights)
{
    int key = CALL_NEXT(pkey_alloc, prim_call3(SYS_pkey_alloc, flags, rights, 0), flags, rights);
    if (key >= 0)
        hazard_pkeys();
    return key;
}

/* Locked memory refuses DONTNEED: a remembered plan does not know. */
EXPORT int mlock(const void *address, size_t length)
{
    mapping_changing((uintptr_t)address, length + PAGE, false);
    int result = CALL_NEXT(mlock, prim_call3(SYS_mlock, (long)address, (long)length, 0), address, length);
    mapping_changing((uintptr_t)address, length + PAGE, false);
    return result;
}

EXPORT int mlock2(const void *address, size_t length, unsigned flags)
{
    mapping_changing((uintptr_t)address, length + PAGE, false);
    int result =
        CALL_NEXT(mlock2, prim_call3(SYS_mlock2, (long)address, (long)length, flags), address, length, flags);
    mapping_changing((uintptr_t)address, length + PAGE, false);
    return result;
}

EXPORT int mlockall(int flags)
{
    mapping_changing(0, 0, true);
    int result = CALL_NEXT(mlockall, prim_call3(SYS_mlockall, flags, 0, 0), flags);
    mapping_changing(0, 0, true);
    return result;
}

EXPORT int brk(void *end)
{
    mapping_changing(0, 0, true);
    if (!next_brk)
        next_resolve();
    int result = next_brk(end);
    mapping_changing(0, 0, true);
    return result;
}

EXPORT void *sbrk(intptr_t increment)
{
    if (!next_sbrk) /* called by a constructor that runs before ours */
        next_resolve();
    if (increment)
        mapping_changing(0, 0, true);
    void *result = next_sbrk(increment);
    if (increment)
        mapping_changing(0, 0, true);
    return result;
}

/* Another object may come to lie where a known caller was. It takes no notice of its own caller, as dlopen
   does, so it may be interposed. */
EXPORT int dlclose(void *handle)
{
    if (!next_dlclose)
        next_resolve();
    int result = next_dlclose(handle);
    caller_forget_all();
    return result;
}

EXPORT void *shmat(int id, const void *address, int flags)
{
    mapping_changing(0, 0, true);
    void *result = CALL_NEXT(shmat, prim_call3(SYS_shmat, id, (long)address, flags), id, address, flags);
    mapping_changing(0, 0, true);
    return result;
}

EXPORT int shmdt(const void *address)
{
    mapping_changing(0, 0, true);
    int result = CALL_NEXT(shmdt, prim_call3(SYS_shmdt, (long)address, 0, 0), address);
    mapping_changing(0, 0, true);
    return result;
}
