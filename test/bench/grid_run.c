#include "test/bench/grid_run.h"

#include "test/bench/bench.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Strategies have arenas of their own, at addresses that a rule can name before the program starts. */
#define ARENA_FIRST ((size_t)16 << 40)
#define ARENA_BYTES ((size_t)1 << 40)

enum { VALIDATED = 4, TIMED_RESETS = 2048 };

void *grid_arena(const struct plan *plan, size_t strategy, size_t index)
{
    /* Twice the room keeps the workers' mappings and page tables apart. */
    return (void *)(ARENA_FIRST + strategy * ARENA_BYTES +
                    index * 2 * round_up(pool_reservation(&plan->shape), (size_t)2 << 20));
}

void *grid_arena_end(size_t strategy)
{
    return (void *)(ARENA_FIRST + (strategy + 1) * ARENA_BYTES);
}

void grid_worker_create(struct worker *worker, const struct image *image)
{
    const struct plan *plan = worker->plan;
    for (size_t i = 0; i < plan->chosen_count; i++)
        pool_create_at(&worker->pools[i], &plan->shape, image, grid_arena(plan, i, worker->index));
}

void grid_meet(struct meeting *meeting)
{
    pthread_barrier_wait(&meeting->barrier);
}

size_t grid_order(const struct plan *plan, size_t round, size_t turn)
{
    size_t order[MOST_STRATEGIES];
    uint64_t state = plan->seed + round * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < plan->chosen_count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t other = (size_t)(state >> 33) % (i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    return order[turn];
}

/* Says what went wrong, once, and ends the measurement. */
static void fail(struct worker *worker, size_t strategy, const char *what)
{
    if (!atomic_exchange(&worker->meeting->failed, true))
        fprintf(stderr, "grid_point: %s, cycle %llu: %s\n", worker->plan->chosen[strategy]->name,
                (unsigned long long)worker->turns[strategy], what);
}

static bool failed(const struct worker *worker)
{
    return atomic_load_explicit(&worker->meeting->failed, memory_order_relaxed);
}

static inline void reset(struct worker *worker, size_t strategy, unsigned char *slot)
{
    if (worker->plan->chosen[strategy]->reset(&worker->kit, slot))
        fail(worker, strategy, strerror(errno));
}

/* Runs COUNT cycles. */
static void run(struct worker *worker, size_t strategy, size_t count, bool check)
{
    const struct pool *pool = &worker->pools[strategy];
    for (size_t i = 0; i < count && !failed(worker); i++) {
        uint64_t turn = worker->turns[strategy]++;
        worker->sum += grid_use(pool, worker->plan->set, turn);
        reset(worker, strategy, grid_slot(pool, turn));
        if (check && !grid_slot_fresh(pool, grid_slot(pool, turn), worker->kit.raw.pagemap))
            fail(worker, strategy, "the slot is not fresh after its reset");
    }
}

/* Runs LIMIT cycles, but ends after SECONDS; how many it ran. */
static size_t run_for(struct worker *worker, size_t strategy, size_t limit, double seconds)
{
    uint64_t start = now_ns(), length = (uint64_t)(seconds * 1e9), passed = 0;
    size_t done = 0, burst = 1;
    while (done < limit && passed < length && !failed(worker)) {
        size_t some = limit - done < burst ? limit - done : burst;
        run(worker, strategy, some, worker->plan->check);
        done += some;
        /* Few looks at the clock: a burst takes about a 64th of the time. */
        uint64_t before = passed;
        passed = now_ns() - start;
        if (passed - before < length / 128)
            burst *= 2;
    }
    return done;
}

/* Also how much is resident, as it is before a reset. */
static void measure_resets(struct worker *worker, size_t strategy)
{
    const struct pool *pool = &worker->pools[strategy];
    double samples[TIMED_RESETS];
    size_t count = 0;
    uint64_t end = now_ns() + (uint64_t)(worker->plan->seconds * 0.3e9), after;
    do {
        uint64_t turn = worker->turns[strategy]++;
        worker->sum += grid_use(pool, worker->plan->set, turn);
        uint64_t clock = now_ns(), before = now_ns();
        reset(worker, strategy, grid_slot(pool, turn));
        after = now_ns();
        /* Less what reading the clock takes, as seen just before. */
        samples[count++] = (double)(after - before) - (double)(before - clock);
    } while (count < TIMED_RESETS && after < end && !failed(worker));
    worker->result->reset_ns = spread_of(samples, count).median;
}

/* What the kernel counts as resident for this process, in bytes. */
static double process_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    size_t all = 0, resident = 0;
    if (!file || fscanf(file, "%zu %zu", &all, &resident) != 2)
        die("/proc/self/statm");
    fclose(file);
    return (double)(resident * PAGE);
}

static void measure_resident(struct worker *worker, size_t strategy)
{
    const struct pool *pool = &worker->pools[strategy];
    uint64_t turn = worker->turns[strategy]++;
    worker->sum += grid_use(pool, worker->plan->set, turn);
    worker->result->resident = (double)grid_resident(pool, worker->kit.raw.pagemap);
    worker->result->process = process_resident();
    reset(worker, strategy, grid_slot(pool, turn));
}

static double system_ns(const struct rusage *used)
{
    return (double)used->ru_stime.tv_sec * 1e9 + (double)used->ru_stime.tv_usec * 1e3;
}

static void measure_cycles(struct worker *worker, size_t strategy)
{
    const struct plan *plan = worker->plan;
    struct rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    uint64_t waited = waited_for_cpu_ns(), start = now_ns();
    size_t cycles = run_for(worker, strategy, plan->cycles ? plan->cycles : SIZE_MAX,
                            plan->cycles ? 3600 : plan->seconds);
    double seconds = (double)(now_ns() - start) / 1e9;
    getrusage(RUSAGE_THREAD, &after);
    waited = waited_for_cpu_ns() - waited;
    atomic_fetch_sub(&worker->meeting->running, 1);
    worker->result->cycles_per_second = (double)cycles / seconds;
    worker->result->waited_share = (double)waited / 1e9 / seconds;
    worker->result->faults = (double)(after.ru_minflt - before.ru_minflt) / (double)cycles;
    worker->result->system_ns = (system_ns(&after) - system_ns(&before)) / (double)cycles;
}

/* A slot's first resets are all looked at; then it is used as the plan says, but not for ever. */
static void warm_up(struct worker *worker, size_t strategy)
{
    const struct plan *plan = worker->plan;
    run(worker, strategy, VALIDATED * plan->shape.slots, true);
    run_for(worker, strategy, plan->warmup * plan->shape.slots, 10 * plan->seconds);
}

/* One that loses its CPU in the middle of a scan keeps the lock meanwhile: that is the machine's doing, so
   others are kept off, where we may. The bystander is not: the kernel lets a real-time writer overtake. */
static void keep_cpu(void)
{
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
}

void *grid_work(void *argument)
{
    struct worker *worker = argument;
    const struct plan *plan = worker->plan;
    if (plan->bystander == BYSTANDER_MPROTECT)
        keep_cpu();
    for (size_t i = 0; i < plan->chosen_count; i++)
        warm_up(worker, i);
    for (size_t round = 0; round < plan->rounds; round++)
        for (size_t turn = 0; turn < plan->chosen_count; turn++) {
            size_t strategy = grid_order(plan, round, turn);
            grid_meet(worker->meeting);
            /* Caches are the last strategy's. */
            if (!plan->cycles)
                run(worker, strategy, plan->shape.slots, false);
            measure_cycles(worker, strategy);
            if (!plan->cycles)
                measure_resets(worker, strategy);
            measure_resident(worker, strategy);
            grid_meet(worker->meeting);
        }
    return NULL;
}
