/* remap ROUTE: changes the mapping of a range between its resets, in every way, each by a call that goes by
   ROUTE, and prints what the resets returned and left. The same lines must come out with keepwarm and
   without. ROUTE: libc, syscall, inline (as compilers make them), hidden (no number near the instruction:
   nothing finds it). */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, PAGES = 64, SIZE = PAGES * PAGE_BYTES, WARM = 6 };

/* ---- the routes ---- */

typedef long caller(long number, long a, long b, long c, long d, long e, long f);

static long failed_as_kernel(long result)
{
    return result == -1 ? -errno : result;
}

static long by_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    return failed_as_kernel(syscall(number, a, b, c, d, e, f));
}

static long by_libc(long number, long a, long b, long c, long d, long e, long f)
{
    switch (number) {
    case SYS_mmap:
        return failed_as_kernel((long)mmap((void *)a, (size_t)b, (int)c, (int)d, (int)e, f));
    case SYS_mprotect:
        return failed_as_kernel(mprotect((void *)a, (size_t)b, (int)c));
    case SYS_munmap:
        return failed_as_kernel(munmap((void *)a, (size_t)b));
    case SYS_mremap:
        return failed_as_kernel((long)mremap((void *)a, (size_t)b, (size_t)c, (int)d, (void *)e));
    case SYS_mlock:
        return failed_as_kernel(mlock((void *)a, (size_t)b));
    case SYS_mlock2:
        return failed_as_kernel(mlock2((void *)a, (size_t)b, (unsigned)c));
    case SYS_pkey_mprotect:
        return failed_as_kernel(pkey_mprotect((void *)a, (size_t)b, (int)c, (int)d));
    case SYS_shmat:
        return failed_as_kernel((long)shmat((int)a, (void *)b, (int)c));
    default:
        return failed_as_kernel(madvise((void *)a, (size_t)b, (int)c));
    }
}

/* The number comes in a register: only the kernel sees which call this is. */
static long by_hidden(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#define INLINE(name, between)                                                                                \
    static __attribute__((noinline)) long inline_##name(long a, long b, long c, long d, long e, long f)      \
    {                                                                                                        \
        long result;                                                                                         \
        register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;                    \
        __asm__ volatile("mov %[number], %%eax\n\t" between "syscall"                                        \
                         : "=&a"(result)                                                                     \
                         : [number] "i"(SYS_##name), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)      \
                         : "rcx", "r11", "memory");                                                          \
        return result;                                                                                       \
    }
INLINE(mmap, "mov %%rdx, %%rdx\n\t")
/* Behind a branch, where a later instruction must become the jump. */
INLINE(mprotect, "test %%rdi, %%rdi\n\tjs 1f\n\tmov $0, %%r9d\n1:\t")
INLINE(munmap, "")
INLINE(mremap, "mov %%r10, %%r10\n\t")
INLINE(mlock, "")
INLINE(mlock2, "")
INLINE(pkey_mprotect, "")
INLINE(shmat, "")
INLINE(madvise, "")

static long by_inline(long number, long a, long b, long c, long d, long e, long f)
{
    switch (number) {
#define CASE(name)                                                                                           \
    case SYS_##name:                                                                                         \
        return inline_##name(a, b, c, d, e, f);
        CASE(mmap)
        CASE(mprotect)
        CASE(munmap)
        CASE(mremap)
        CASE(mlock)
        CASE(mlock2)
        CASE(pkey_mprotect)
        CASE(shmat)
    default:
        return inline_madvise(a, b, c, d, e, f);
    }
}

static const struct {
    const char *name;
    caller *call;
} routes[] = {{"libc", by_libc}, {"syscall", by_syscall}, {"inline", by_inline}, {"hidden", by_hidden}};

/* ---- what is done ---- */

static caller *by;
static long range; /* where everything happens */
static int sealed, segment;

static void must(bool is_so, const char *what)
{
    if (is_so)
        return;
    printf("cannot %s: %s\n", what, strerror(errno));
    exit(1);
}

/* By libc, which is always seen: what is remembered begins anew. */
static void lay_anonymous(void)
{
    must(mmap((void *)range, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
             (void *)range,
         "map");
}

/* A store or load that faults is no part of this: the kernel is asked. */
static unsigned long content(void)
{
    unsigned long sum = 0;
    for (int page = 0; page < PAGES; page++) {
        unsigned char bytes[PAGE_BYTES];
        struct iovec local = {bytes, sizeof bytes},
                     remote = {(void *)(range + page * PAGE_BYTES), sizeof bytes};
        bool readable = process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == PAGE_BYTES;
        sum = sum * 31 + (readable ? 0 : 7);
        for (int i = 0; readable && i < PAGE_BYTES; i += 64)
            sum = sum * 31 + bytes[i];
    }
    return sum;
}

static void dirty(int value)
{
    char bytes[PAGE_BYTES];
    memset(bytes, value, sizeof bytes);
    for (int page = 0; page < PAGES; page++) {
        struct iovec local = {bytes, sizeof bytes},
                     remote = {(void *)(range + page * PAGE_BYTES), sizeof bytes};
        process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
    }
}

static long reset(void)
{
    return by_inline(SYS_madvise, range, SIZE, MADV_DONTNEED, 0, 0, 0);
}

/* Resets until the range is well known. */
static void warm(void)
{
    for (int i = 0; i < WARM; i++) {
        dirty(i + 1);
        must(reset() == 0, "reset");
    }
    dirty(WARM + 1);
}

static long replace_by_file(void)
{
    return by(SYS_mmap, range, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, sealed, 0) != range;
}

static long replace_by_shared(void)
{
    return by(SYS_mmap, range, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
           range;
}

static long unmap_part(void)
{
    return by(SYS_munmap, range + SIZE / 2, SIZE / 4, 0, 0, 0, 0);
}

static long unmap_and_map(void)
{
    long result = by(SYS_munmap, range, SIZE, 0, 0, 0, 0);
    return result ? result
                  : by(SYS_mmap, range, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) !=
                        range;
}

static long protect(void)
{
    return by(SYS_mprotect, range, SIZE, PROT_READ, 0, 0, 0);
}

static long protect_part(void)
{
    return by(SYS_mprotect, range + PAGE_BYTES, PAGE_BYTES, PROT_NONE, 0, 0, 0);
}

static long protect_by_key(void)
{
    return by(SYS_pkey_mprotect, range, SIZE, PROT_READ, -1, 0, 0);
}

/* Another mapping's pages come to lie in the range. */
static long move_in(void)
{
    char *other = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(other != MAP_FAILED, "map another");
    memset(other, 5, SIZE);
    return by(SYS_mremap, (long)other, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, range, 0) != range;
}

static long move_out(void)
{
    long away = (long)mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long result = by(SYS_mremap, range, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, away, 0) != away;
    munmap((void *)away, SIZE);
    return result;
}

static long shrink(void)
{
    return by(SYS_mremap, range, SIZE, SIZE / 2, 0, 0, 0) != range;
}

static long lock(void)
{
    return by(SYS_mlock, range + PAGE_BYTES, PAGE_BYTES, 0, 0, 0, 0);
}

static long lock_on_fault(void)
{
    return by(SYS_mlock2, range, PAGE_BYTES, MLOCK_ONFAULT, 0, 0, 0);
}

static long attach(void)
{
    return by(SYS_shmat, segment, range, SHM_REMAP, 0, 0, 0) != range;
}

static const struct {
    const char *name;
    long (*change)(void);
} changes[] = {{"replace_by_file", replace_by_file},
               {"replace_by_shared", replace_by_shared},
               {"unmap_part", unmap_part},
               {"unmap_and_map", unmap_and_map},
               {"protect", protect},
               {"protect_part", protect_part},
               {"protect_by_key", protect_by_key},
               {"move_in", move_in},
               {"move_out", move_out},
               {"shrink", shrink},
               {"lock", lock},
               {"lock_on_fault", lock_on_fault},
               {"attach", attach}};

/* ---- a thread that takes its own stack away ---- */

static int leave_with_stack(void *stack)
{
    __asm__ volatile("mov %[munmap], %%eax\n\tsyscall\n\txor %%edi, %%edi\n\tmov %[exit], %%eax\n\tsyscall"
                     :
                     : [munmap] "i"(SYS_munmap), [exit] "i"(SYS_exit), "D"(stack), "S"((long)SIZE)
                     : "rax", "rcx", "r11", "memory");
    __builtin_unreachable();
}

static void unmap_own_stack(void)
{
    unsigned char present[PAGES];
    volatile int living = 1;
    void *stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(stack != MAP_FAILED, "map a stack");
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                CLONE_CHILD_CLEARTID;
    must(clone(leave_with_stack, (char *)stack + SIZE, flags, stack, NULL, NULL, (int *)(uintptr_t)&living) >
             0,
         "clone");
    for (int i = 0; living && i < 2000; i++)
        usleep(1000);
    printf("own_stack %s %s\n", living ? "stays" : "left",
           mincore(stack, SIZE, present) < 0 && errno == ENOMEM ? "unmapped" : "mapped");
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof routes / sizeof *routes; i++)
        if (strcmp(argv[1], routes[i].name) == 0)
            by = routes[i].call;
    if (!by) {
        fprintf(stderr, "usage: remap libc|syscall|inline|hidden\n");
        return 2;
    }
    range = (long)mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sealed = memfd_create("image", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    segment = shmget(IPC_PRIVATE, SIZE, 0600);
    must(range != -1 && sealed >= 0 && segment >= 0 && ftruncate(sealed, SIZE) == 0 &&
             pwrite(sealed, "image", 5, 3 * PAGE_BYTES) == 5 &&
             fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0,
         "prepare");
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        lay_anonymous();
        warm();
        long changed = changes[i].change();
        dirty(9);
        long first = reset();
        unsigned long left = content();
        dirty(10);
        long second = reset();
        printf("%s %ld: %ld %lx, %ld %lx\n", changes[i].name, changed, first, left, second, content());
        munlock((void *)range, SIZE);
    }
    shmctl(segment, IPC_RMID, NULL);
    unmap_own_stack();
    return 0;
}
