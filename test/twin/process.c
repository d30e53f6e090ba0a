/* Steps with other processes: forks that reset on both sides of the fork, vfork children that close what is
   open, and descriptors taken away from under a library. */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare.h"
#include "ops.h"
#include "pair.h"
#include "reset.h"

/* What a fork does to memory by advice. */
static void attributes_in_child(struct pair *pair)
{
    for (size_t i = 0; i < pair->pages; i++) {
        uint32_t *attributes = &pair->attributes[i];
        if (*attributes & A_NO_FORK)
            *attributes = A_HOLE | A_LEFT_OUT;
        else if (*attributes & A_WIPE_LATER)
            *attributes |= A_WIPED;
        *attributes &= ~(uint32_t)(A_LOCKED | A_ON_FAULT); /* locks are not inherited */
    }
}

/* Both processes go on resetting what they share. */
static void steps_after_fork(struct pair *pair, enum row row, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        struct pair *victim = chance(60) ? pair : &world.pairs[below(world.pair_count)];
        if (!(victim->kind->bits & K_PRIVATE)) /* the other process stores there too */
            continue;
        if (chance(40)) {
            fill_some(victim);
        } else {
            op_reset(victim);
            count_row(row, 1);
        }
        count_operations(1);
    }
    compare_all();
}

_Noreturn static void child(struct pair *pair, uint64_t seed, unsigned steps)
{
    world.in_child = true;
    world.random.state = seed;
    world.report->history_next[1] = 0;
    note("child %ld begins here", (long)getpid());
    compare_open();
    for (unsigned i = 0; i < world.pair_count; i++)
        attributes_in_child(&world.pairs[i]);
    steps_after_fork(pair, ROW_fork_child, steps);
    _exit(0);
}

static pid_t fork_by(unsigned how)
{
    switch (how) {
    case 0:
        return (pid_t)syscall(SYS_fork);
    case 1: /* a clone that no handler of libc sees */
        return (pid_t)raw_call(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
    default:
        return fork();
    }
}

/* Only anonymous memory can be wiped on fork. */
static struct pair *anonymous_pair(struct pair *pair)
{
    for (unsigned i = 0; i < world.pair_count; i++)
        if (world.pairs[i].kind->number == KIND_anon)
            return &world.pairs[i];
    return pair;
}

void op_fork(struct pair *pair)
{
    unsigned how = (unsigned)below(4), steps = 3 + (unsigned)below(8);
    uint64_t seed = random_next(&world.random);
    int status = 0;
    if (world.in_child)
        return;
    if (chance(60)) {
        pair = anonymous_pair(pair);
        map_advise_fork(pair, ADVICE_WIPEONFORK);
    }
    fill_some(pair);
    note("fork, way %u", how);
    pid_t process = fork_by(how);
    if (process == 0)
        child(pair, seed, steps);
    if (process < 0)
        fail("cannot fork (way %u)", how);
    steps_after_fork(pair, ROW_fork_parent, steps);
    if (waitpid(process, &status, 0) != process || status != 0)
        fail("a fork child ended with status %#x", (unsigned)status);
}

/* The numbers open now, above the standard ones, by a listing that closes after itself. */
static size_t list_open(int *numbers, size_t room)
{
    size_t count = 0;
    for (int i = 3; i < 4096 && count < room; i++)
        if (raw_call(SYS_fcntl, i, F_GETFD, 0, 0, 0, 0) >= 0)
            numbers[count++] = i;
    return count;
}

/* The child runs in our memory, on our stack: only plain calls, and no local of ours changes. */
static const struct pair *vfork_pair;
static volatile unsigned vfork_plan;
static struct outcome vfork_outcome;
static int vfork_numbers[64]; /* open in the parent, the library's among them */
static size_t vfork_count;

__attribute__((noinline)) static pid_t vfork_and_close(void)
{
    pid_t process = vfork();
    if (process != 0)
        return process;
    if (vfork_plan & 1)
        vfork_outcome.result = madvise(vfork_pair->at[LIBRARY], vfork_pair->pages * PAGE, ADVICE_DONTNEED);
    if (vfork_plan & 2)
        for (size_t i = 0; i < vfork_count; i++)
            dup2(1, vfork_numbers[i]);
    if (vfork_plan & 4)
        closefrom(3);
    else
        close_range(3, ~0u, 0);
    if (vfork_plan & 8)
        for (int i = 3; i < 40; i++)
            dup2(1, i);
    _exit(0);
}

void op_vfork(struct pair *pair)
{
    int status = 0;
    struct outcome real = {0, 0};
    vfork_pair = pair;
    vfork_plan = (unsigned)below(16);
    vfork_outcome = (struct outcome){0, 0};
    vfork_count = list_open(vfork_numbers, 64);
    fill_some(pair);
    note("vfork, plan %u, slot %u", vfork_plan, pair->slot);
    if (vfork_plan & 1)
        real = took_raw(raw_madvise(pair->at[REAL], pair->pages * PAGE, ADVICE_DONTNEED));
    pid_t process = vfork_and_close();
    if (process < 0)
        fail("cannot vfork");
    if (waitpid(process, &status, 0) != process || status != 0)
        fail("a vfork child ended with status %#x", (unsigned)status);
    if (vfork_plan & 1) {
        atomic_fetch_add(&world.report->resets, 1);
        if (real.result != vfork_outcome.result)
            fail("madvise in a vfork child gave %ld, the real call %ld", vfork_outcome.result, real.result);
        if (real.result == 0)
            reset_done(pair, 0, (long)pair->pages);
    }
    count_row(ROW_vfork, 1);
    compare_pair(pair);
    fill_some(pair);
    op_reset(pair);
}

/* Our own descriptors are gone with the others. */
static void forget_descriptors(void)
{
    world.closed = true;
    world.pagemap = -1;
    for (unsigned i = 0; i < world.pair_count; i++)
        world.pairs[i].image.file = -1;
}

/* Past libc another process's pagemap is not put there: only a look at each descriptor in each call would
   tell, which costs more than the scan; the manual says so. */
static int stand_in(bool raw)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%ld/pagemap", (long)getppid());
    int file = !raw && chance(75) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        file = open(chance(50) ? "/dev/null" : "/dev/zero", O_RDWR | O_CLOEXEC);
    return file;
}

static bool is_pagemap(int number)
{
    char path[32], target[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", number);
    ssize_t length = readlink(path, target, sizeof target);
    return length > 8 && memcmp(target + length - 8, "/pagemap", 8) == 0;
}

/* What was open becomes something else: all of it, or, worse, only the view of this process's page tables
   becomes that of another process. */
static void replace(bool raw)
{
    int numbers[256];
    size_t count = list_open(numbers, 256);
    bool all = chance(40);
    int file = stand_in(raw);
    for (size_t i = 0; i < count && file >= 0; i++) {
        if (!all && !is_pagemap(numbers[i]))
            continue;
        if (raw)
            raw_call(SYS_dup3, file, numbers[i], O_CLOEXEC, 0, 0, 0);
        else if (chance(50))
            dup3(file, numbers[i], O_CLOEXEC);
        else
            dup2(file, numbers[i]);
    }
    if (file >= 0)
        raw_call(SYS_close, file, 0, 0, 0, 0, 0);
}

static void close_each(void)
{
    int numbers[256];
    size_t count = list_open(numbers, 256);
    for (size_t i = 0; i < count; i++)
        close(numbers[i]);
}

void op_close(struct pair *pair)
{
    unsigned how = (unsigned)below(7);
    note("descriptors taken away, way %u", how);
    switch (how) {
    case 0:
        close_range(3, ~0u, 0);
        break;
    case 1:
        closefrom(3);
        break;
    case 2:
        close_each();
        break;
    case 3:
        replace(false);
        break;
    case 4:
        raw_call(SYS_close_range, 3, ~0u, 0, 0, 0, 0);
        break;
    case 5:
        syscall(SYS_close_range, 3, ~0u, 0);
        break;
    default:
        replace(true);
    }
    forget_descriptors();
    if (chance(70))
        compare_open();
    fill_some(pair);
    op_reset(pair);
}
