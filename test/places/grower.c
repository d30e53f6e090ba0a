/* `grower LIMIT busy|silent`, in a memory cgroup of LIMIT MiB: a program that resets many ranges, then, with
   the ranges reset and so free, needs almost all memory for itself; busy: it goes on resetting as it grows.
   At last it gives that back and lives as before. It prints a line after each phase, and begins once it has
   read one. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MIB = 1 << 20, RANGES = 96, ROUNDS = 20, USES_A_STEP = 8, SECONDS = 3 };

static unsigned char *range[RANGES];

static unsigned char *map(size_t length)
{
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(1);
    madvise(memory, length, MADV_NOHUGEPAGE);
    return memory;
}

static void fill(unsigned char *memory, size_t length, size_t seed)
{
    for (size_t at = 0; at < length; at += PAGE)
        memset(memory + at, (int)(1 + (seed + at / PAGE) % 255), PAGE);
}

static void expect(bool right, const char *what)
{
    if (right)
        return;
    printf("wrong: %s\n", what);
    exit(1);
}

static bool is_filled(const unsigned char *memory, size_t length, size_t seed)
{
    for (size_t at = 0; at < length; at += 64)
        if (memory[at] != 1 + (seed + at / PAGE) % 255)
            return false;
    return true;
}

static void use(size_t i)
{
    expect(range[i][i * PAGE] == 0 && range[i][MIB - 1] == 0, "fresh memory");
    fill(range[i], MIB, i);
    expect(is_filled(range[i], MIB, i), "written memory");
    expect(madvise(range[i], MIB, MADV_DONTNEED) == 0, "madvise");
    for (size_t at = 0; at < MIB; at += 64)
        expect(range[i][at] == 0, "reset memory");
}

static void use_all(void)
{
    for (size_t i = 0; i < RANGES; i++)
        use(i);
}

static void say(const char *phase)
{
    puts(phase);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    size_t limit = argc > 2 ? strtoul(argv[1], NULL, 10) : 0, live = limit - limit / 64 * 3;
    bool busy = argc > 2 && strcmp(argv[2], "busy") == 0;
    char line[8];
    if (!limit)
        return 2;
    say("started");
    if (!fgets(line, sizeof line, stdin))
        return 2;
    for (size_t i = 0; i < RANGES; i++)
        range[i] = map(MIB);
    for (int round = 0; round < ROUNDS; round++)
        use_all();
    say("used");
    unsigned char *memory = map(live * MIB);
    for (size_t i = 0; i < live; i++) {
        fill(memory + i * MIB, MIB, i);
        for (size_t j = 0; busy && j < USES_A_STEP; j++)
            use((i * USES_A_STEP + j) % RANGES);
    }
    for (size_t i = 0; i < live; i++)
        expect(is_filled(memory + i * MIB, MIB, i), "live memory");
    say("grown");
    munmap(memory, live * MIB);
    /* Shortage is thought to last for a second after its last sign. */
    for (time_t end = time(NULL) + SECONDS; time(NULL) < end;)
        use_all();
    say("shrunk");
    for (int round = 0; round < ROUNDS; round++)
        use_all();
    say("lived");
    return 0;
}
