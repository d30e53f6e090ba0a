/* What every benchmark program needs: a clock, sizes as people write them, and order statistics. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE ((size_t)4096)

/* Order statistics of a set of samples. */
struct spread {
    double min;
    double low_quartile;
    double median;
    double high_quartile;
    double max;
};

/* Nanoseconds of the monotonic clock. */
uint64_t now_ns(void);

/* How long this thread has waited for a CPU that others had, in ns, so far. Exits where the kernel does not
 * say. */
uint64_t waited_for_cpu_ns(void);

/* Reads a whole number with an optional K, M or G (powers of 1024). False if TEXT is anything else. */
bool parse_size(const char *text, size_t *value);

/* The spread of COUNT >= 1 samples, which are sorted in place. */
struct spread spread_of(double *samples, size_t count);

/* The sample at FRACTION (0 to 1) of COUNT >= 1 sorted samples, interpolated between its neighbours. */
double quantile(const double *sorted, size_t count, double fraction);

/* Something to time, and what it is to work on. */
typedef void operation(size_t argument);

/* Nanoseconds of one RUN(ARGUMENT), as the mean of REPEATS. */
double time_repeats(operation *run, size_t argument, size_t repeats);

/* Nanoseconds that RUN(ARGUMENT) takes, in 51 samples of about 0.2 ms, each the mean of as many runs as fit.
 */
struct spread time_operation(operation *run, size_t argument);

/* Rounds BYTES up to a multiple of UNIT, a power of two. */
size_t round_up(size_t bytes, size_t unit);

/* Prints "PROGRAM: MESSAGE: strerror(errno)" and exits 1: for set-up that cannot go on. */
_Noreturn void die(const char *message);

#endif
