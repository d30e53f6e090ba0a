/* Faults are caught where this file expects them; any other is what the test looks for: a crash of the host.
 */
#include "touch.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "twin.h"

static __thread sigjmp_buf landing;
static __thread volatile sig_atomic_t armed;

/* The compiler may move plain reads over a volatile store: not past these. */
static inline void arm(void)
{
    armed = 1;
    __asm__ volatile("" ::: "memory");
}

static inline void disarm(void)
{
    __asm__ volatile("" ::: "memory");
    armed = 0;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    const ucontext_t *state = context;
    if (armed) {
        armed = 0;
        siglongjmp(landing, number << 8 | (info->si_code & 0xff));
    }
    fail("signal %d (code %d) at address %p, instruction %#llx", number, info->si_code, info->si_addr,
         (unsigned long long)state->uc_mcontext.gregs[REG_RIP]);
}

void touch_start(void)
{
    static uint8_t stack[64 << 10];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigaltstack(&alternate, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

int touch_read(const uint8_t *at)
{
    int fault = sigsetjmp(landing, 0);
    if (fault)
        return fault;
    arm();
    (void)*(const volatile uint8_t *)at;
    disarm();
    return 0;
}

size_t touch_fill(uint8_t *at, size_t length, size_t stride, uint8_t value)
{
    volatile size_t done = 0;
    if (sigsetjmp(landing, 0))
        return done;
    arm();
    for (size_t i = 0; i < length; i += stride) {
        done = i;
        *(volatile uint8_t *)(at + i) = (uint8_t)(value + i / PAGE);
    }
    disarm();
    return length;
}

size_t touch_scan(const uint8_t *at, size_t length)
{
    volatile size_t done = 0;
    if (sigsetjmp(landing, 0))
        return done;
    arm();
    for (size_t i = 0; i < length; i += PAGE) {
        done = i;
        (void)*(const volatile uint8_t *)(at + i);
    }
    disarm();
    return length;
}

int touch_equal(const uint8_t *a, const uint8_t *b, size_t length)
{
    if (sigsetjmp(landing, 0))
        return -1;
    arm();
    int equal = memcmp(a, b, length) == 0;
    disarm();
    return equal;
}
