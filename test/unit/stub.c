/* Patched sites that run: what the stub keeps, what an unwinder sees, signals, small stacks, and threads that
   pass while the site changes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "hooks/stub.h"
#include "test/unit/patched.h"
#include "test/unit/stub_machine.h"

static struct patched patch(const void *function, uint32_t size)
{
    struct patched p = prepare(function, size);
    enum site_reason reason = patch_site(p.mov, p.expected, &p.site, p.thunk, PATCH_QUIET);
    cr_assert_eq(reason, SITE_patchable, "%s", site_reason_name(reason));
    return p;
}

static void *one_page(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    memset(page, 7, 4096);
    return page;
}

/* Everything filled with patterns that tell registers apart. */
static void fill(struct machine *m, unsigned level, void *page)
{
    for (size_t i = 0; i < sizeof *m; i++)
        ((uint8_t *)m)[i] = (uint8_t)(i * 37 + i / 251 + 1);
    m->level = level;
    m->flags = 0x202 | 0x8d5 | 0x400; /* carry, parity, auxiliary, zero, sign, overflow, direction */
    m->general[M_RDI / 8] = (uintptr_t)page;
    m->general[M_R14 / 8] = 4096; /* becomes rsi */
    m->general[M_RDX / 8] = MADV_DONTNEED;
}

static unsigned vector_level(void)
{
    if (__builtin_cpu_supports("avx512bw"))
        return 2;
    return __builtin_cpu_supports("avx") ? 1 : 0;
}

static void compare(const struct machine *real, const struct machine *ours, unsigned level)
{
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    for (int i = 0; i < 16; i++)
        cr_expect_eq(ours->general[i], real->general[i], "%s: %lx, not %lx", names[i], ours->general[i],
                     real->general[i]);
    cr_expect_eq(ours->flags, real->flags, "flags: %lx, not %lx", ours->flags, real->flags);
    cr_expect_eq(ours->general[M_RSP / 8], ours->level, "rsp");
    cr_expect_arr_eq(ours->zone, real->zone, sizeof real->zone, "red zone");
    cr_expect_arr_eq(ours->vectors, real->vectors, level == 2 ? sizeof real->vectors : 1024, "vectors");
    if (level == 2)
        cr_expect_arr_eq(ours->masks, real->masks, sizeof real->masks, "masks");
}

static uint32_t machine_size(void)
{
    return (uint32_t)(machine_end - (uint8_t *)(uintptr_t)machine_pass);
}

/* Against the kernel's own answer, bit for bit, rcx and r11 included. */
Test(stub, keeps_what_the_kernel_keeps)
{
    for (unsigned level = 0; level <= vector_level(); level++) {
        struct machine in, real, declined, served;
        uint8_t *page = one_page();
        fill(&in, level, page);
        memset(&real, 0, sizeof real);
        declined = served = real;
        machine_pass(&in, &real);
        cr_assert_eq(real.general[0], 0u);
        cr_assert_eq(page[0], 0);
        struct patched p = patch(machine_pass, machine_size());
        page[0] = 7;
        decisions = 0;
        decision = DECLINE;
        machine_pass(&in, &declined);
        cr_expect_eq(decisions, 1ul);
        cr_expect_eq(page[0], 0, "declined: the real call was made");
        compare(&real, &declined, level);
        page[0] = 7;
        decision = SERVE;
        decision_result = 0;
        machine_pass(&in, &served);
        cr_expect_eq(page[0], 7, "served: no real call");
        compare(&real, &served, level);
        cr_expect_eq(decision_saw.number, SITE_CALL_madvise);
        cr_expect_eq(decision_saw.arguments[0], (long)page);
        cr_expect_eq(decision_saw.arguments[1], 4096, "the instruction between ran first");
        cr_expect_eq(decision_saw.arguments[2], MADV_DONTNEED);
        cr_expect_eq(decision_saw.arguments[3], (long)in.general[M_R10 / 8]);
        cr_expect_eq(decision_saw.arguments[4], (long)in.general[M_R8 / 8]);
        cr_expect_eq(decision_saw.arguments[5], (long)in.general[M_R9 / 8]);
        cr_expect_eq(decision_saw.after, (uintptr_t)machine_after);
        cr_expect_eq(decision_saw.flags, in.flags);
        cr_expect_eq(patch_undo(p.mov, p.expected, &p.site, p.thunk, PATCH_QUIET), SITE_patchable);
        munmap(page, 4096);
    }
    if (vector_level() < 2)
        fprintf(stderr, "skipped: no AVX-512 here: its registers were not tested\n"); /* a warning fails the run */
}

/* Each status flag and the direction on its own, and many together: the kernel changes none. */
Test(stub, keeps_every_flag)
{
    static const uint64_t flags[] = {0, 0x1, 0x4, 0x10, 0x40, 0x80, 0x800, 0x400, 0x8d5, 0x0d5, 0x801, 0x8d4};
    uint8_t *page = one_page();
    struct patched p = patch(machine_pass, machine_size());
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        for (int served = 0; served < 2; served++) {
            struct machine in, out = {0};
            fill(&in, 0, page);
            in.flags = 0x202 | flags[i];
            decision = served ? SERVE : DECLINE;
            decision_result = -1;
            machine_pass(&in, &out);
            cr_expect_eq(out.flags, in.flags, "%lx, not %lx", out.flags, in.flags);
            cr_expect_eq(out.general[0], served ? (uint64_t)-1 : 0u);
        }
    cr_expect_eq(patch_undo(p.mov, p.expected, &p.site, p.thunk, PATCH_QUIET), SITE_patchable);
    munmap(page, 4096);
}

Test(stub, gives_results_and_errors)
{
    patch((void *)site_short, 8);
    patch((void *)site_long, 12);
    decision = SERVE;
    for (long result = -5; result < 5; result++) {
        decision_result = result;
        cr_expect_eq(site_short(NULL, 0, 4), result);
        cr_expect_eq(site_long(NULL, 0, 4), result);
    }
    decision = DECLINE;
    cr_expect_eq(site_short((void *)1, 4096, 4), -EINVAL);
    cr_expect_eq(site_long((void *)1, 4096, 4), -EINVAL);
    cr_expect_eq(site_long((void *)4096, 4096, MADV_DONTNEED), -ENOMEM);
}

static struct {
    uintptr_t frames[64];
    int count;
} trace;

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *unused)
{
    (void)unused;
    if (trace.count < 64)
        trace.frames[trace.count++] = _Unwind_GetIP(context);
    return _URC_NO_REASON;
}

static void take_trace(void)
{
    trace.count = 0;
    _Unwind_Backtrace(on_frame, NULL);
}

static bool was_in(const void *function, size_t size)
{
    for (int i = 0; i < trace.count; i++)
        if (trace.frames[i] >= (uintptr_t)function && trace.frames[i] <= (uintptr_t)function + size)
            return true;
    return false;
}

static __attribute__((noinline)) long caller_of_site(void *page)
{
    long result = site_short(page, 4096, MADV_DONTNEED);
    __asm__ volatile(""); /* no tail call */
    return result;
}

Test(stub, unwinds)
{
    patch((void *)site_short, 8);
    decision = CALL_BACK;
    decision_call_back = take_trace;
    cr_expect_eq(caller_of_site(NULL), decision_result);
    cr_expect(was_in(hook_stub, 100), "the stub itself");
    cr_expect(was_in((void *)site_short, 8), "the host's function");
    cr_expect(was_in((void *)caller_of_site, 64), "its caller");
    cr_expect_geq(trace.count, 6, "and on to main");
}

/* Every instruction of the stub but those in the thunk unwinds: single-stepped by the trap flag. */
static struct {
    unsigned steps, in_stub, in_caller;
} stepped;

static void on_step(int number, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    (void)number, (void)info;
    stepped.steps++;
    if (at < (uintptr_t)hook_stub || at > (uintptr_t)hook_stub + 200)
        return;
    take_trace();
    stepped.in_stub++;
    stepped.in_caller += was_in((void *)caller_of_site, 64);
}

static void set_trap_flag(bool on)
{
    if (on)
        __asm__ volatile("lea -128(%%rsp),%%rsp; pushfq; orq $0x100,(%%rsp); popfq; lea 128(%%rsp),%%rsp" ::
                             : "cc", "memory");
    else
        __asm__ volatile("lea -128(%%rsp),%%rsp; pushfq; andq $~0x100,(%%rsp); popfq; lea 128(%%rsp),%%rsp" ::
                             : "cc", "memory");
}

Test(stub, unwinds_at_every_instruction)
{
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    patch((void *)site_short, 8);
    for (int served = 0; served < 2; served++) {
        memset(&stepped, 0, sizeof stepped);
        decision = served ? SERVE : DECLINE;
        take_trace(); /* loads the unwinder now */
        sigaction(SIGTRAP, &action, NULL);
        set_trap_flag(true);
        caller_of_site(NULL);
        set_trap_flag(false);
        signal(SIGTRAP, SIG_DFL);
        cr_expect_geq(stepped.in_stub, 30, "%u", stepped.in_stub);
        cr_expect_eq(stepped.in_caller, stepped.in_stub, "%u of %u", stepped.in_caller, stepped.in_stub);
    }
}

static void *context_stack;
static ucontext_t back, there;

static void on_small_stack(void)
{
    site_short(NULL, 0, MADV_DONTNEED);
    swapcontext(&there, &back);
}

Test(stub, needs_little_stack)
{
    enum { SIZE = 4096 };
    patch((void *)site_short, 8);
    decision = SERVE;
    decision_result = 0;
    context_stack = malloc(SIZE);
    cr_assert_not_null(context_stack);
    memset(context_stack, 0x5a, SIZE);
    getcontext(&there);
    there.uc_stack.ss_sp = context_stack;
    there.uc_stack.ss_size = SIZE;
    makecontext(&there, on_small_stack, 0);
    swapcontext(&back, &there);
    size_t untouched = 0;
    while (untouched < SIZE && ((uint8_t *)context_stack)[untouched] == 0x5a)
        untouched++;
    cr_expect_leq(SIZE - untouched, 640u, "%zu bytes", SIZE - untouched);
}

static volatile unsigned alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
    take_trace();
}

Test(stub, survives_signals, .timeout = 30)
{
    struct itimerval often = {{0, 97}, {0, 97}}, never = {0};
    patch((void *)site_short, 8);
    take_trace();
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &often, NULL);
    unsigned long wrong = 0;
    for (unsigned long i = 0; alarms < 3000 && i < 200000000; i++) {
        decision = i & 1 ? SERVE : DECLINE;
        decision_result = 123;
        wrong += site_short((void *)1, 4096, 4) != (i & 1 ? 123 : -EINVAL);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    cr_expect_eq(wrong, 0ul);
    cr_expect_geq(alarms, 100u);
}

Test(patch, refuses_what_is_not_there)
{
    struct patched p = prepare((void *)site_short, 8);
    uint8_t other[64];
    memcpy(other, p.expected, sizeof other);
    other[6] ^= 1;
    cr_expect_eq(patch_site(p.mov, other, &p.site, p.thunk, PATCH_QUIET), SITE_mismatch);
    cr_expect_eq(patch_site(p.mov, p.expected, &p.site, NULL, PATCH_QUIET), SITE_no_thunk);
    cr_expect_eq(patch_site(p.mov, p.expected, &p.site, (uint8_t *)((uintptr_t)p.mov ^ (UINT64_C(1) << 40)),
                            PATCH_QUIET),
                 SITE_no_thunk);
    struct site refused = p.site;
    refused.reason = SITE_branch;
    cr_expect_eq(patch_site(p.mov, p.expected, &refused, p.thunk, PATCH_QUIET), SITE_mismatch);
    cr_expect_arr_eq(p.mov, p.expected, 7);
    cr_expect_eq(patch_undo(p.mov, p.expected, &p.site, p.thunk, PATCH_QUIET), SITE_mismatch);
    cr_expect_eq(patch_site(p.mov, p.expected, &p.site, p.thunk, PATCH_QUIET), SITE_patchable);
    cr_expect_eq(patch_site(p.mov, p.expected, &p.site, p.thunk, PATCH_QUIET), SITE_mismatch, "twice");
}

Test(patch, leaves_protection_alone)
{
    patch((void *)site_short, 8);
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], access[8] = "";
    for (unsigned long from, to; maps && fgets(line, sizeof line, maps);)
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= (uintptr_t)site_short &&
            (uintptr_t)site_short < to)
            sscanf(line, "%*s %7s", access);
    cr_expect_str_eq(access, "r-xp");
    fclose(maps);
}

Test(thunk, stays_in_reach)
{
    struct thunk_block block;
    const uint8_t *here = (const uint8_t *)(uintptr_t)site_short;
    cr_assert_eq(thunk_block_open(&block, here, here + 8, 1000), SITE_patchable);
    cr_expect_lt(llabs((long long)(block.memory - here)), 1ll << 31);
    struct site site = {.syscall = 5, .number = SITE_CALL_madvise, .mov_length = 5};
    size_t count = 0;
    while (thunk_block_add(&block, here, &site, hook_stub))
        count++;
    cr_expect_geq(count, 1000u);
    thunk_block_drop(&block);
    cr_expect_eq(thunk_block_open(&block, here, here, 0), SITE_no_thunk);
    cr_expect_eq(thunk_block_open(&block, here, here + (UINT64_C(3) << 30), 1), SITE_no_thunk);
}
