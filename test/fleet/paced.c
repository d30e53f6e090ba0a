/* A service under light load: `paced REQUESTS-PER-SECOND SECONDS` answers requests at a fixed rate and sleeps
   between them. A request writes to some pages of a slot, reads others, and gives the slot back by
   MADV_DONTNEED. What a reset costs shows in its CPU time only. It knows nothing of keepwarm. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096, SLOTS = 4, SLOT_PAGES = 64, STRIDE = 4, SECOND = 1000000000 };

static void answer(unsigned char *slot, unsigned request)
{
    uint64_t sum = 0;
    for (int page = 0; page < SLOT_PAGES; page++)
        sum += slot[page * PAGE];
    if (sum) {
        fprintf(stderr, "paced: a slot was not fresh\n");
        exit(1);
    }
    for (int page = (int)(request % STRIDE); page < SLOT_PAGES; page += STRIDE)
        slot[page * PAGE] = 1;
    if (madvise(slot, (size_t)SLOT_PAGES * PAGE, MADV_DONTNEED)) {
        perror("madvise");
        exit(1);
    }
}

static void sleep_until(struct timespec *when, long ns)
{
    when->tv_nsec += ns;
    when->tv_sec += when->tv_nsec / SECOND;
    when->tv_nsec %= SECOND;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, when, NULL) == EINTR)
        ;
}

int main(int argc, char **argv)
{
    double rate = argc > 1 ? atof(argv[1]) : 0, seconds = argc > 2 ? atof(argv[2]) : 0;
    if (rate < 1 || rate > 1e6 || seconds <= 0 || seconds > 3600) {
        fprintf(stderr, "Usage: paced REQUESTS-PER-SECOND SECONDS\n");
        return 2;
    }
    unsigned char *slots = mmap(NULL, (size_t)SLOTS * SLOT_PAGES * PAGE, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    madvise(slots, (size_t)SLOTS * SLOT_PAGES * PAGE, MADV_NOHUGEPAGE);
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    for (unsigned request = 0; request < rate * seconds; request++) {
        answer(slots + (size_t)(request % SLOTS) * SLOT_PAGES * PAGE, request);
        sleep_until(&when, (long)(SECOND / rate));
    }
    return 0;
}
