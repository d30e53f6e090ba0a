/* How a live site changes
 *
 *      b8 1c 00 00 00     mov $28,%eax
 *      cc 1c 00 00 00     a thread that comes by traps, and tries again until the site is done
 *           barrier       from here on no core has the old instruction in its pipeline
 *      cc XX XX XX XX     the tail of the jump
 *           barrier
 *      e9 XX XX XX XX     jmp thunk
 *           barrier
 *
 * The trap is why a handler for SIGTRAP is installed, once, with the host's behind it. It stays: a thread may
 * have trapped and be preempted before its signal is delivered, and no barrier waits for that one. Refused
 * where the trap could not be handled: SIGTRAP blocked in some thread, or a debugger that would take it.
 */
#include "hooks/patch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "hooks/proc_text.h"

enum { INT3 = 0xcc, LIVE_MOST = 1024, TRIES = 20 };

/* Module state: what the SIGTRAP handler must know. */
static struct {
    _Atomic uintptr_t sites[LIVE_MOST]; /* every site that was ever changed live */
    atomic_uint count;
    bool handler, barrier;
    struct sigaction before; /* the host's */
} live;

static bool is_live(uintptr_t address)
{
    unsigned count = atomic_load_explicit(&live.count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++)
        if (atomic_load_explicit(&live.sites[i], memory_order_relaxed) == address)
            return true;
    return false;
}

/* What the host would have had without us. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    if (live.before.sa_flags & SA_SIGINFO) {
        live.before.sa_sigaction(number, info, context);
    } else if (live.before.sa_handler == SIG_DFL ||
               (live.before.sa_handler == SIG_IGN && info->si_code > 0)) {
        signal(number, SIG_DFL); /* fatal to the host, as it would be: a trap of its own, or one sent to it */
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
    } else if (live.before.sa_handler != SIG_IGN) {
        live.before.sa_handler(number);
    }
}

static void on_trap(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    int saved = errno;
    uintptr_t at = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP] - 1;
    if (info->si_code == SI_KERNEL && is_live(at)) {
        uc->uc_mcontext.gregs[REG_RIP] = (greg_t)at; /* again: by then it may be whole */
        sched_yield();
    } else {
        pass_on(number, info, context);
    }
    errno = saved;
}

static bool barrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

/* glibc blocks all signals for a moment while it starts a thread or a process: look again before giving up.
   Ten milliseconds at most; a caller with many sites had better stop at the first that is refused for this.
 */
static bool trap_stays_blocked(void)
{
    const struct timespec moment = {.tv_nsec = 500000};
    for (int i = 0; i < TRIES; i++) {
        if (!proc_blocks_signal(SIGTRAP))
            return false;
        nanosleep(&moment, NULL);
    }
    return true;
}

static enum site_reason prepare_live(uintptr_t address)
{
    /* SA_NODEFER: a thread in the handler would else look like one that blocks the trap. */
    struct sigaction now,
        ours = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER};
    unsigned count = atomic_load(&live.count);
    if (!is_live(address) && count == LIVE_MOST)
        return SITE_too_many;
    if (!live.barrier && !barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE))
        return SITE_no_barrier;
    live.barrier = true;
    if (proc_is_traced())
        return SITE_traced;
    if (trap_stays_blocked())
        return SITE_trap_blocked;
    if (sigaction(SIGTRAP, NULL, &now) < 0)
        return SITE_trap_blocked;
    if (!live.handler || now.sa_sigaction != on_trap) { /* the host may have put its own over ours since */
        live.before = now;
        sigemptyset(&ours.sa_mask);
        if (sigaction(SIGTRAP, &ours, NULL) < 0)
            return SITE_trap_blocked;
        live.handler = true;
    }
    if (!is_live(address)) {
        atomic_store(&live.sites[count], address);
        atomic_store_explicit(&live.count, count + 1, memory_order_release);
    }
    return SITE_patchable;
}

/* A way to write to code: /proc/self/mem, which leaves the mapping's protection alone; else through mprotect.
 */
struct writer {
    int memory;     /* descriptor, or -1 */
    uint8_t *pages; /* made writable, when memory is -1 */
    size_t size;
    int protection; /* what to restore */
};

static bool writer_open(struct writer *w, uint8_t *at, size_t size)
{
    *w = (struct writer){.memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC)};
    uint8_t same = *at; /* writing back what is there shows whether writing works (a kernel may forbid it) */
    if (w->memory >= 0 && pwrite(w->memory, &same, 1, (off_t)(uintptr_t)at) == 1)
        return true;
    if (w->memory >= 0)
        close(w->memory);
    w->memory = -1;
    w->pages = (uint8_t *)((uintptr_t)at & ~(uintptr_t)4095);
    w->size = (size_t)((at + size - w->pages + 4095) / 4096 * 4096);
    w->protection = proc_protection(w->pages, w->size);
    return w->protection >= 0 && mprotect(w->pages, w->size, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
}

static bool writer_write(const struct writer *w, uint8_t *at, const uint8_t *bytes, size_t size)
{
    if (w->memory >= 0)
        return pwrite(w->memory, bytes, size, (off_t)(uintptr_t)at) == (ssize_t)size;
    for (size_t i = 0; i < size; i++)
        ((volatile uint8_t *)at)[i] = bytes[i];
    return true;
}

static void writer_close(const struct writer *w)
{
    if (w->memory >= 0)
        close(w->memory);
    else if (w->pages)
        mprotect(w->pages, w->size, w->protection);
}

static bool write_live(const struct writer *w, uint8_t *at, const uint8_t *bytes, size_t size)
{
    static const uint8_t trap = INT3;
    const int sync = MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE;
    uint8_t first = *at;
    if (!writer_write(w, at, &trap, 1))
        return false;
    if (!barrier(sync) || !writer_write(w, at + 1, bytes + 1, size - 1)) {
        writer_write(w, at, &first,
                     1); /* the tail is the old one still: pwrite of a mapped range is all or nothing */
        return false;
    }
    barrier(sync);
    bool done = writer_write(w, at, bytes, 1);
    barrier(sync);
    return done;
}

static enum site_reason replace(uint8_t *at, const uint8_t *bytes, size_t size, enum patch_how how)
{
    struct writer w;
    enum site_reason reason = how == PATCH_LIVE ? prepare_live((uintptr_t)at) : SITE_patchable;
    if (reason != SITE_patchable)
        return reason;
    bool done = writer_open(&w, at, size);
    if (done)
        done = how == PATCH_LIVE ? write_live(&w, at, bytes, size) : writer_write(&w, at, bytes, size);
    writer_close(&w);
    return done ? SITE_patchable : SITE_unwritable;
}

/* jmp thunk, and a nop after it that fills up to `length`. False when the thunk is too far. */
static bool make_jump(uint8_t *out, size_t length, const uint8_t *at, const uint8_t *thunk)
{
    static const uint8_t nop[] = {0x66, 0x90}; /* its last byte is the short one */
    int64_t distance = thunk - (at + PATCH_JUMP_LENGTH);
    int32_t relative = (int32_t)distance;
    out[0] = 0xe9;
    memcpy(out + 1, &relative, sizeof relative);
    size_t rest = length - PATCH_JUMP_LENGTH;
    memcpy(out + PATCH_JUMP_LENGTH, nop + sizeof nop - rest, rest);
    return thunk && relative == distance;
}

static bool is_sound(const struct site *site)
{
    return site->reason == SITE_patchable && site->mov_length >= PATCH_JUMP_LENGTH &&
           site->mov_length <= SITE_MOV_LONGEST && site->syscall >= site->mov + site->mov_length;
}

enum site_reason patch_site(uint8_t *mov, const uint8_t *expected, const struct site *site,
                            const uint8_t *thunk, enum patch_how how)
{
    uint8_t jump[SITE_MOV_LONGEST];
    if (!is_sound(site) || memcmp(mov, expected, site->syscall + 2 - site->mov) != 0)
        return SITE_mismatch;
    if (!make_jump(jump, site->mov_length, mov, thunk))
        return SITE_no_thunk;
    return replace(mov, jump, site->mov_length, how);
}

enum site_reason patch_undo(uint8_t *mov, const uint8_t *expected, const struct site *site,
                            const uint8_t *thunk, enum patch_how how)
{
    uint8_t jump[SITE_MOV_LONGEST];
    if (!is_sound(site) || !make_jump(jump, site->mov_length, mov, thunk) ||
        memcmp(mov, jump, site->mov_length) != 0)
        return SITE_mismatch;
    return replace(mov, expected, site->mov_length, how);
}

enum site_reason patch_entry(uint8_t *entry, const uint8_t *thunk, enum patch_how how)
{
    uint8_t jump[SITE_MOV_LONGEST];
    return make_jump(jump, PATCH_JUMP_LENGTH, entry, thunk) ? replace(entry, jump, PATCH_JUMP_LENGTH, how)
                                                            : SITE_no_thunk;
}

enum patch_how patch_how_now(void)
{
    struct stat status;
    /* A directory's link count: one for each entry, plus . and .. */
    return stat("/proc/self/task", &status) == 0 && status.st_nlink == 3 ? PATCH_QUIET : PATCH_LIVE;
}

void patch_rehearse(uint8_t *code)
{
    uint8_t byte = code ? *code : 0;
    if (!code)
        return;
    replace(code, &byte, 1, PATCH_QUIET);
    replace(code, &byte, 1, PATCH_LIVE);
    const struct timespec moment = {.tv_nsec = 1};
    nanosleep(&moment, NULL);
    mprotect(code, 1, PROT_READ | PROT_WRITE | PROT_EXEC);
    sched_yield();
}
