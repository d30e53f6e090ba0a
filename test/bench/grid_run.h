/* One point of the grid, measured: every worker runs the same strategies in the same order, in step. */
#ifndef BENCH_GRID_RUN_H
#define BENCH_GRID_RUN_H

#include "test/bench/grid_strategies.h"
#include "test/bench/grid_use.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MOST_STRATEGIES = 16, MOST_WORKERS = 256 };

/* Someone beside the workers, who resets nothing. */
enum bystander { BYSTANDER_NONE, BYSTANDER_COMPUTE, BYSTANDER_FAULT, BYSTANDER_MPROTECT };

/* A point and how to measure it, as the command line says it. */
struct plan {
    struct shape shape;
    enum working_set set;
    enum bystander bystander;
    size_t threads; /* of each process */
    size_t processes;
    size_t call_bytes;
    size_t keep_bytes;
    size_t rounds;
    double seconds; /* of a strategy in a round */
    size_t cycles;  /* of a worker instead; 0: for SECONDS */
    size_t warmup;  /* cycles of each slot before the first round */
    size_t seed;    /* of the order of the strategies */
    bool check;     /* look at the slot after every reset */
    const struct strategy *chosen[MOST_STRATEGIES];
    size_t chosen_count;
};

/* How long the steps of one took, in ns: one in two longer than the first, one in 100, one in 1000. */
struct delays {
    double median, hundredth, thousandth, slowest;
};

/* What one worker, or the bystander, found in one round of one strategy. */
struct result {
    double cycles_per_second;
    double reset_ns;     /* the median of the resets alone; not measured with --cycles */
    double waited_share; /* of the time, for a CPU that others had */
    double faults;       /* a cycle */
    double system_ns;
    double resident;     /* bytes of its slots, before a reset */
    double process;      /* resident bytes of its whole process, all strategies' slots included, then */
    struct delays steps; /* of the bystander that times them */
};

/* Shared by all processes. */
struct meeting {
    pthread_barrier_t barrier;
    atomic_bool failed;
    atomic_size_t running; /* workers that have not reached the end of a round */
    struct result bystander;
    struct result results[MOST_WORKERS];
};

/* One thread's part in all of it. */
struct worker {
    pthread_t thread;
    const struct plan *plan;
    struct meeting *meeting;
    struct kit kit;
    size_t index;                       /* in its process */
    struct result *result;              /* its own in the meeting */
    struct pool pools[MOST_STRATEGIES]; /* of the chosen strategies */
    uint64_t turns[MOST_STRATEGIES];
    uint64_t sum;
};

/* Where worker INDEX's slots under chosen strategy STRATEGY begin, and where the strategy's arena ends. */
void *grid_arena(const struct plan *plan, size_t strategy, size_t index);
void *grid_arena_end(size_t strategy);

/* Maps a worker's slots; exits on failure. The image must outlive it. */
void grid_worker_create(struct worker *worker, const struct image *image);

/* Takes part in the warm-up and all rounds; for pthread_create. A reset that fails, or leaves something that
   is not fresh, is said once and ends the measurement for all. */
void *grid_work(void *worker);

/* The same for the one bystander. */
void *grid_stand_by(void *worker);

/* Which strategy has the TURN-th turn in a round: a number below plan->chosen_count. */
size_t grid_order(const struct plan *plan, size_t round, size_t turn);

/* Waits for everyone else. */
void grid_meet(struct meeting *meeting);

#endif
