#include "shim/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include "scan/prim.h"

/* The machine of net/core/filter.c, with the loads that seccomp allows (kernel/seccomp.c). */
struct machine {
    uint32_t a, x, memory[BPF_MEMWORDS];
    struct seccomp_data data;
};

static uint32_t load_data(const struct machine *machine, uint32_t offset)
{
    uint32_t word = 0;
    if (offset % 4 == 0 && offset <= sizeof machine->data - 4)
        __builtin_memcpy(&word, (const char *)&machine->data + offset, 4);
    return word;
}

static uint32_t load(const struct machine *machine, uint16_t code, uint32_t k)
{
    switch (BPF_MODE(code)) {
    case BPF_ABS:
        return load_data(machine, k);
    case BPF_IMM:
        return k;
    case BPF_MEM:
        return machine->memory[k % BPF_MEMWORDS];
    default:
        return sizeof machine->data; /* BPF_LEN */
    }
}

static uint32_t calculate(uint16_t code, uint32_t a, uint32_t b)
{
    switch (BPF_OP(code)) {
    case BPF_ADD:
        return a + b;
    case BPF_SUB:
        return a - b;
    case BPF_MUL:
        return a * b;
    case BPF_DIV:
        return b ? a / b : 0;
    case BPF_AND:
        return a & b;
    case BPF_OR:
        return a | b;
    case BPF_XOR:
        return a ^ b;
    case BPF_LSH:
        return b < 32 ? a << b : 0;
    case BPF_RSH:
        return b < 32 ? a >> b : 0;
    default:
        return -a; /* BPF_NEG */
    }
}

static bool jumps(uint16_t code, uint32_t a, uint32_t b)
{
    switch (BPF_OP(code)) {
    case BPF_JEQ:
        return a == b;
    case BPF_JGT:
        return a > b;
    case BPF_JGE:
        return a >= b;
    default:
        return a & b; /* BPF_JSET */
    }
}

uint32_t filter_run(const struct sock_filter *program, size_t count, uint32_t number)
{
    struct machine machine = {.data = {.nr = (int)number, .arch = AUDIT_ARCH_X86_64}};
    /* Jumps only go forward, so this ends. */
    for (size_t at = 0; at < count; at++) {
        struct sock_filter step = program[at];
        uint32_t operand = BPF_SRC(step.code) == BPF_X ? machine.x : step.k;
        switch (BPF_CLASS(step.code)) {
        case BPF_LD:
            machine.a = load(&machine, step.code, step.k);
            break;
        case BPF_LDX:
            machine.x = load(&machine, step.code, step.k);
            break;
        case BPF_ST:
            machine.memory[step.k % BPF_MEMWORDS] = machine.a;
            break;
        case BPF_STX:
            machine.memory[step.k % BPF_MEMWORDS] = machine.x;
            break;
        case BPF_ALU:
            machine.a = calculate(step.code, machine.a, operand);
            break;
        case BPF_JMP:
            if (BPF_OP(step.code) == BPF_JA)
                at += step.k;
            else
                at += jumps(step.code, machine.a, operand) ? step.jt : step.jf;
            break;
        case BPF_RET:
            return BPF_RVAL(step.code) == BPF_A ? machine.a : step.k;
        default: /* BPF_MISC */
            if (BPF_MISCOP(step.code) == BPF_TAX)
                machine.x = machine.a;
            else
                machine.a = machine.x;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

static bool spares(const struct sock_filter *program, size_t count, uint32_t number)
{
    uint32_t action = filter_run(program, count, number) & SECCOMP_RET_ACTION_FULL;
    return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG || action == SECCOMP_RET_ERRNO;
}

static bool copy(void *to, const void *from, size_t length)
{
    struct iovec local = {to, length}, remote = {(void *)from, length};
    return prim_copy_safely(&local, &remote, 1) == (long)length;
}

static const uint32_t calls_for_files[] = {
    SYS_getpid, SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_newfstatat,
    SYS_openat, SYS_write,          SYS_pwrite64,      SYS_close,           SYS_rename,
    SYS_unlink, SYS_pread64,        SYS_clock_gettime,
};

enum filter_verdict filter_judge(const struct sock_fprog *program)
{
    static struct sock_filter steps[BPF_MAXINSNS]; /* guarded by lock */
    static int lock;
    struct sock_fprog described;
    enum filter_verdict verdict = FILTER_SPARES_FILES;
    if (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        return FILTER_HOSTILE;
    if (!copy(&described, program, sizeof described) || described.len > BPF_MAXINSNS ||
        !copy(steps, described.filter, described.len * sizeof *steps))
        verdict = FILTER_UNREADABLE;
    for (size_t i = 0; verdict == FILTER_SPARES_FILES && i < sizeof calls_for_files / sizeof *calls_for_files;
         i++)
        if (!spares(steps, described.len, calls_for_files[i]))
            verdict = FILTER_HOSTILE;
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    return verdict;
}
