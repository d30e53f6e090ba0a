/* What a madvise call costs that keepwarm rules out, over the plain call.

   Each sample is a chunk of calls through the symbol, which a preloaded library meets, next to a chunk of the
   same calls by an inline system call, which it does not: the difference holds what the library adds, and
   whatever the machine does meanwhile weighs on both. */
#include "test/bench/bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define SAMPLES 301
#define CALLS 1000

static const char usage[] = "Usage: ruled_out [--length SIZE] [--advice N]\n"
                            "Times madvise on untouched memory, through the symbol and inline.\n"
                            "  --length SIZE  bytes of a call (4K)\n"
                            "  --advice N     the advice (4, which is MADV_DONTNEED)\n";

struct call {
    void *start;
    size_t length;
    int advice;
};

/* Not inlined, as libc's is not: on processors where the kernel's returns are guarded against speculation, a
   loop without a call and return of its own ran the same system call 200 ns faster. */
__attribute__((noinline)) static long inline_madvise(const struct call *call)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"((long)SYS_madvise), "D"(call->start), "S"(call->length), "d"((long)call->advice)
                     : "rcx", "r11", "memory");
    return result;
}

/* Nanoseconds of one call, as the mean of a chunk. */
static double time_symbol(const struct call *call)
{
    uint64_t start = now_ns();
    for (int i = 0; i < CALLS; i++)
        if (madvise(call->start, call->length, call->advice))
            die("madvise");
    return (double)(now_ns() - start) / CALLS;
}

static double time_inline(const struct call *call)
{
    uint64_t start = now_ns();
    for (int i = 0; i < CALLS; i++)
        if (inline_madvise(call))
            die("inline madvise");
    return (double)(now_ns() - start) / CALLS;
}

static void parse(int argc, char **argv, struct call *call)
{
    static const struct option options[] = {
        {"length", required_argument, NULL, 'l'},
        {"advice", required_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    size_t advice = MADV_DONTNEED;
    bool good = true;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (option == '?')
            exit(2);
        good = good && parse_size(optarg, option == 'l' ? &call->length : &advice);
    }
    if (!good || optind < argc || advice > 1000) {
        fputs(usage, stderr);
        exit(2);
    }
    call->advice = (int)advice;
}

int main(int argc, char **argv)
{
    struct call call = {.length = PAGE};
    parse(argc, argv, &call);
    call.start = mmap(NULL, call.length + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (call.start == MAP_FAILED)
        die("mmap");

    static double symbol[SAMPLES], plain[SAMPLES], over[SAMPLES];
    time_symbol(&call);
    time_inline(&call);
    for (int i = 0; i < SAMPLES; i++) {
        if (i % 2)
            plain[i] = time_inline(&call);
        symbol[i] = time_symbol(&call);
        if (i % 2 == 0)
            plain[i] = time_inline(&call);
        over[i] = symbol[i] - plain[i];
    }
    struct spread difference = spread_of(over, SAMPLES);
    printf("ns_symbol=%.1f ns_inline=%.1f ns_over=%.1f ns_over_low=%.1f ns_over_high=%.1f\n",
           spread_of(symbol, SAMPLES).median, spread_of(plain, SAMPLES).median, difference.median,
           difference.low_quartile, difference.high_quartile);
    return 0;
}
