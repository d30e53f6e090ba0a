/* The bystander: it resets nothing, and what it gets done while others do is their strategy's fault. */
#include "test/bench/grid_run.h"

#include "test/bench/bench.h"
#include "test/bench/direct.h"

#include <sys/mman.h>

#define OWN_BYTES ((size_t)16 << 20)

enum { MOST_TIMED = 1 << 16 }; /* steps of a round; of more, the last ones */

/* Some work, about a microsecond of it. */
static void compute(void)
{
    for (volatile unsigned i = 0; i < 500; i++)
        continue;
}

/* The next page of memory of its own, which goes back when all of it is there. */
static void fault(unsigned char *own, size_t step)
{
    size_t at = step * PAGE % OWN_BYTES;
    if (at == 0)
        direct_madvise(own, OWN_BYTES, MADV_DONTNEED);
    *(volatile unsigned char *)(own + at) = 1;
}

/* A call that must have the mmap_lock to itself. */
static void protect(unsigned char *own, size_t step)
{
    direct_mprotect(own, PAGE, step & 1 ? PROT_READ | PROT_WRITE : PROT_READ);
}

static void do_step(enum bystander kind, unsigned char *own, size_t step)
{
    if (kind == BYSTANDER_COMPUTE)
        compute();
    else if (kind == BYSTANDER_FAULT)
        fault(own, step);
    else
        protect(own, step);
}

/* How long a step takes, without the time in which another thread had the CPU: what is left of a slow one is
   the wait for a lock. */
static uint64_t time_step(const struct worker *worker, unsigned char *own, size_t step)
{
    uint64_t waited = waited_for_cpu_ns(), start = now_ns();
    do_step(worker->plan->bystander, own, step);
    uint64_t passed = now_ns() - start;
    waited = waited_for_cpu_ns() - waited;
    return passed > waited ? passed - waited : 0;
}

/* Lets 0 to 60 us pass, awake: steps that are timed begin at any time of a reset. */
static void linger(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t end = now_ns() + (state >> 33) % 60000;
    while (now_ns() < end)
        __builtin_ia32_pause();
}

static struct result stand_by_once(const struct worker *worker, unsigned char *own)
{
    static double taken[MOST_TIMED];
    uint64_t start = now_ns();
    size_t steps = 0;
    do { /* a step at least, however busy the machine is */
        if (worker->plan->bystander == BYSTANDER_MPROTECT) {
            linger();
            taken[steps % MOST_TIMED] = (double)time_step(worker, own, steps);
        } else
            do_step(worker->plan->bystander, own, steps);
        steps++;
    } while (atomic_load_explicit(&worker->meeting->running, memory_order_relaxed));
    struct result result = {.cycles_per_second = (double)steps / ((double)(now_ns() - start) / 1e9)};
    if (worker->plan->bystander == BYSTANDER_MPROTECT) {
        size_t count = steps < MOST_TIMED ? steps : MOST_TIMED;
        result.steps.slowest = spread_of(taken, count).max;
        result.steps.median = quantile(taken, count, 0.5);
        result.steps.hundredth = quantile(taken, count, 0.99);
        result.steps.thousandth = quantile(taken, count, 0.999);
    }
    return result;
}

void *grid_stand_by(void *argument)
{
    const struct worker *worker = argument;
    const struct plan *plan = worker->plan;
    unsigned char *own = mmap(NULL, OWN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own == MAP_FAILED)
        die("the bystander's memory");
    for (size_t i = 0; i < plan->rounds * plan->chosen_count; i++) {
        grid_meet(worker->meeting);
        worker->meeting->bystander = stand_by_once(worker, own);
        grid_meet(worker->meeting);
    }
    return NULL;
}
