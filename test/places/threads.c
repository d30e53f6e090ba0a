/* Threads that reset neighbouring slots, and threads that reset the same slot: for the sanitizers, and for
   anyone. Calls madvise as a plain program would. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, SLOT = 16 * PAGE, THREADS = 6, ROUNDS = 1500 };

static unsigned char *slots;
static atomic_bool wrong;

/* Nobody else touches this slot; the next one begins where it ends. */
static void *own_slot(void *number)
{
    unsigned char *mine = slots + (size_t)number * SLOT;
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned page = i % 3; page < 16; page += 1 + i % 5)
            mine[page * PAGE + i % PAGE] = 1;
        if (madvise(mine, SLOT, MADV_DONTNEED))
            wrong = true;
        for (unsigned page = 0; page < 16; page++)
            if (mine[page * PAGE + i % PAGE])
                wrong = true;
    }
    return NULL;
}

/* All reset one slot, and nobody writes: it stays zero, whoever is in the middle of a reset. */
static void *shared_slot(void *number)
{
    unsigned char *shared = slots + (size_t)THREADS * SLOT;
    for (unsigned i = 0; i < ROUNDS / 3; i++) {
        size_t from = (i + (size_t)number) % 8 * PAGE;
        if (madvise(shared + from, SLOT - from, MADV_DONTNEED))
            wrong = true;
    }
    return NULL;
}

static void run(void *(*with)(void *))
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, with, (void *)i))
            exit(2);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    slots = mmap(NULL, (THREADS + 1) * SLOT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED)
        return 2;
    run(own_slot);
    for (size_t at = 0; at < SLOT; at += PAGE)
        slots[(size_t)THREADS * SLOT + at] = 1;
    run(shared_slot);
    for (size_t at = 0; at < SLOT; at += PAGE)
        wrong = wrong || slots[(size_t)THREADS * SLOT + at];
    puts(wrong ? "wrong" : "right");
    return wrong;
}
