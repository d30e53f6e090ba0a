/* Threads started and joined, each using some of its stack: glibc's cache of stacks resets each with a call
   of its own. thread_churn [--kib N] [--seconds S] [--workers N]. Prints threads_per_second=. What a thread
   leaves on its stack does not matter to the next, so only what it computes is compared. */
#include <getopt.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WORKERS_MOST = 64 };
static unsigned kib = 64, workers = 1;
static double seconds = 1, start;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Writes every page of its frames, and reads them back on the way out. */
static __attribute__((noinline)) uint64_t use(unsigned depth, uint64_t seed)
{
    volatile uint64_t page[448];
    for (unsigned i = 0; i < 448; i += 16)
        page[i] = seed * i + depth;
    uint64_t sum = depth ? use(depth - 1, seed + 1) : 0;
    for (unsigned i = 0; i < 448; i += 16)
        sum += page[i] - seed * i;
    return sum;
}

static void *run(void *seed)
{
    return (void *)use(kib / 4, (uintptr_t)seed);
}

/* Starts and joins threads until the time is over; returns how many, or 0 when one went wrong. */
static void *churn(void *wanted)
{
    uintptr_t threads = 0;
    do {
        pthread_t thread;
        void *result;
        if (pthread_create(&thread, NULL, run, (void *)1) || pthread_join(thread, &result) ||
            result != wanted)
            return NULL;
        threads++;
    } while (now() - start < seconds);
    return (void *)threads;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"kib", required_argument, NULL, 'k'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"workers", required_argument, NULL, 'w'},
                                            {0}};
    pthread_t worker[WORKERS_MOST];
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'k')
            kib = (unsigned)atoi(optarg);
        else if (option == 's')
            seconds = atof(optarg);
        else if (option == 'w' && (workers = (unsigned)atoi(optarg)) <= WORKERS_MOST)
            continue;
        else
            return 125;
    }
    void *wanted = run((void *)1);
    uintptr_t threads = 0;
    start = now();
    for (unsigned i = 0; i < workers; i++)
        if (pthread_create(&worker[i], NULL, churn, wanted))
            return 125;
    for (unsigned i = 0; i < workers; i++) {
        void *count;
        if (pthread_join(worker[i], &count) || !count) {
            puts("a thread computed something else");
            return 1;
        }
        threads += (uintptr_t)count;
    }
    printf("threads_per_second=%.1f\n", (double)threads / (now() - start));
    return 0;
}
