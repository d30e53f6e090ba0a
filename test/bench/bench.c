#include "test/bench/bench.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES 51
#define SAMPLE_NS 200000u

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t waited_for_cpu_ns(void)
{
    static _Thread_local int schedstat = -1;
    if (schedstat < 0)
        schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    char text[64] = "";
    unsigned long long ran, waited;
    if (pread(schedstat, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%llu %llu", &ran, &waited) != 2)
        die("/proc/thread-self/schedstat");
    return waited;
}

bool parse_size(const char *text, size_t *value)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (shift)
        end++;
    if (errno || *end || number > SIZE_MAX >> shift)
        return false;
    *value = (size_t)number << shift;
    return true;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double quantile(const double *sorted, size_t count, double fraction)
{
    double place = fraction * (double)(count - 1);
    size_t below = (size_t)place;
    size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

struct spread spread_of(double *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, by_value);
    return (struct spread){
        .min = samples[0],
        .low_quartile = quantile(samples, count, 0.25),
        .median = quantile(samples, count, 0.5),
        .high_quartile = quantile(samples, count, 0.75),
        .max = samples[count - 1],
    };
}

double time_repeats(operation *run, size_t argument, size_t repeats)
{
    uint64_t start = now_ns();
    for (size_t i = 0; i < repeats; i++)
        run(argument);
    return (double)(now_ns() - start) / (double)repeats;
}

struct spread time_operation(operation *run, size_t argument)
{
    double samples[SAMPLES];
    size_t repeats = (size_t)(SAMPLE_NS / (time_repeats(run, argument, 3) + 1)) + 1;
    for (int i = 0; i < SAMPLES; i++)
        samples[i] = time_repeats(run, argument, repeats);
    return spread_of(samples, SAMPLES);
}

size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) & ~(unit - 1);
}

_Noreturn void die(const char *message)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, message, strerror(errno));
    exit(1);
}
