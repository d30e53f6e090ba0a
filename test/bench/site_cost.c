/* What a patched inline site costs when keepwarm declines the call: nanoseconds a call, as ns_per_call=. The
   advice is one that the kernel answers at once. site_cost [--dontneed]: MADV_DONTNEED of an empty range
   instead, which goes through keepwarm's judgement. Run without keepwarm it gives the plain cost. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static __attribute__((noinline)) long site(void *start, size_t length, int advice)
{
    long result;
    __asm__ volatile("movl $28, %%eax\n\tsyscall"
                     : "=&a"(result)
                     : "D"(start), "S"(length), "d"((long)advice)
                     : "rcx", "r11", "memory");
    return result;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    enum { CALLS = 200000, ROUNDS = 15 };
    int advice = argc > 1 && strcmp(argv[1], "--dontneed") == 0 ? MADV_DONTNEED : MADV_NORMAL;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (int i = 0; i < CALLS; i++)
            site(page, 0, advice);
        double spent = (now() - start) / CALLS;
        best = spent < best ? spent : best;
    }
    printf("ns_per_call=%.1f\n", best);
    return 0;
}
