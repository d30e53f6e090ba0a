/* Threads started and joined, each using some of its stack: glibc's cache of stacks resets each with a call of its own.
   thread_churn [--kib N] [--seconds S] [--check]. Prints threads_per_second=. --check: what a thread leaves on its stack
   does not matter to the next, so only what it computes is compared. */
#include <getopt.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned kib = 64;

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

int main(int argc, char **argv)
{
    static const struct option options[] = {{"kib", required_argument, NULL, 'k'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {0}};
    double seconds = 1, start = now(), spent;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'k')
            kib = (unsigned)atoi(optarg);
        else if (option == 's')
            seconds = atof(optarg);
        else
            return 125;
    }
    uint64_t wanted = (uintptr_t)run((void *)1), threads = 0;
    do {
        pthread_t thread;
        void *result;
        if (pthread_create(&thread, NULL, run, (void *)1) || pthread_join(thread, &result))
            return 125;
        if ((uintptr_t)result != wanted) {
            puts("a thread computed something else");
            return 1;
        }
        threads++;
    } while ((spent = now() - start) < seconds);
    printf("threads_per_second=%.1f\n", (double)threads / spent);
    return 0;
}
