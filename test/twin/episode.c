/* One episode: a process, its pairs, and a few hundred to thousands of steps that a seed decides. */
#include "episode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compare.h"
#include "groups.h"
#include "ops.h"
#include "pair.h"
#include "place.h"
#include "reset.h"
#include "special.h"
#include "touch.h"

struct world world = {.pagemap = -1};

static const struct operation {
    void (*step)(struct pair *pair);
    unsigned classes;
    unsigned weight;
} operations[] = {
    {op_reset, OPS_BASE, 300},      {op_fill, OPS_BASE, 110},      {op_scatter, OPS_BASE, 60},
    {op_read, OPS_BASE, 50},        {op_read_write, OPS_BASE, 40}, {op_arguments, OPS_BASE, 30},
    {op_renew, OPS_RENEW, 14},      {op_protect, OPS_MAP, 30},     {op_unmap, OPS_MAP, 12},
    {op_map_over, OPS_MAP, 16},     {op_remap, OPS_MAP, 16},       {op_free, OPS_MAP, 15},
    {op_guard, OPS_MAP, 30},        {op_rewrite, OPS_FILE, 25},    {op_resize, OPS_FILE, 16},
    {op_read_call, OPS_CALLS, 12},  {op_vm_writev, OPS_CALLS, 12}, {op_proc_mem, OPS_CALLS, 12},
    {op_lock, OPS_LOCK, 80},        {op_stop, OPS_LOCK, 40},       {op_vector, OPS_VECTOR, 70},
    {op_page_out, OPS_SWAP, 120},   {op_huge, OPS_THP, 300},       {op_fork, OPS_FORK, 30},
    {op_fork_advice, OPS_FORK, 80}, {op_vfork, OPS_VFORK, 90},     {op_close, OPS_CLOSE, 12},
    {op_threads, OPS_THREAD, 60},   {op_cancel, OPS_THREAD, 90},   {op_signal, OPS_SIGNAL, 120},
    {op_interrupt, OPS_SIGNAL, 30}, {op_jump, OPS_SIGNAL, 120},    {op_small_stack, OPS_STACK, 120},
    {op_own_stack, OPS_STACK, 400}, {op_uffd, OPS_UFFD, 500},      {op_uffd_register, OPS_UFFD, 60},
    {op_vvar, OPS_VVAR, 150},       {op_ksm, OPS_KSM, 100},        {op_pkey, OPS_PKEY, 150},
};
#define OPERATIONS (sizeof operations / sizeof operations[0])

void note(const char *format, ...)
{
    struct report *report = world.report;
    unsigned ring = world.in_child, slot = report->history_next[ring]++ % HISTORY;
    char *text = report->history[ring][slot];
    int used = snprintf(text, HISTORY_TEXT, "%6lu  ", world.step);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, (size_t)(HISTORY_TEXT - used), format, arguments);
    va_end(arguments);
    if (world.verbose)
        fprintf(stderr, "%s%s\n", world.in_child ? "child " : "", text);
}

void fail(const char *format, ...)
{
    struct report *report = world.report;
    if (atomic_exchange(&report->failed, 1 + world.in_child) == 0) {
        va_list arguments;
        va_start(arguments, format);
        int used = snprintf(report->failure, sizeof report->failure, "step %lu%s: ", world.step,
                            world.in_child ? " of a fork child" : "");
        vsnprintf(report->failure + used, sizeof report->failure - (size_t)used, format, arguments);
        va_end(arguments);
    }
    raw_call(SYS_exit_group, 2, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}

struct outcome took(long result)
{
    return (struct outcome){result, result == -1 ? errno : 0};
}

struct outcome took_raw(long result)
{
    if (result < 0 && result >= -4095)
        return (struct outcome){-1, (int)-result};
    return (struct outcome){result, 0};
}

bool same(const char *what, struct outcome real, struct outcome library)
{
    if (real.result != library.result || real.error != library.error)
        fail("%s: the real call gave %ld (errno %d, %s), the library %ld (errno %d, %s)", what, real.result,
             real.error, strerror(real.error), library.result, library.error, strerror(library.error));
    return real.result != -1;
}

void count_row(enum row row, unsigned long times)
{
    atomic_fetch_add_explicit(&world.report->rows[row], times, memory_order_relaxed);
}

void count_operations(unsigned long times)
{
    atomic_fetch_add_explicit(&world.report->operations, times, memory_order_relaxed);
}

static unsigned allowed_classes(void)
{
    unsigned classes = world.group->classes;
    if (world.place == PLACE_closed)
        classes |= OPS_CLOSE;
    if (world.place == PLACE_chroot || world.place == PLACE_setuid)
        classes |= OPS_FORK;
    if (world.place == PLACE_setuid) /* a limit on locked memory would tell the twins apart */
        classes &= ~(unsigned)OPS_LOCK;
    return classes;
}

static const struct operation *pick_operation(unsigned classes)
{
    unsigned total = 0;
    for (size_t i = 0; i < OPERATIONS; i++)
        total += operations[i].classes & classes ? operations[i].weight : 0;
    uint64_t at = below(total);
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (!(operations[i].classes & classes))
            continue;
        if (at < operations[i].weight)
            return &operations[i];
        at -= operations[i].weight;
    }
    return &operations[0];
}

static void count_early(void)
{
    const struct early *early = special_early_result();
    atomic_fetch_add(&world.report->resets, early->resets);
    count_row(ROW_early, early->resets);
    count_operations(early->resets);
    if (early->differ)
        fail("a reset before the constructors had run differs from the real call");
}

static void start(unsigned long seed)
{
    struct random mix = {seed * 0x100000001b3u ^ world.episode};
    world.random.state = random_next(&mix);
    touch_start();
    special_start();
    compare_open();
    world.survey = has(HAS_PAGEMAP_SCAN);
    world.gentle = chance(70);
    place_start();
    world.pair_count = world.group->pairs;
    for (unsigned i = 0; i < world.pair_count; i++) {
        world.pairs[i].slot = i;
        pair_make(&world.pairs[i], pair_pick_kind());
    }
    count_early();
}

void episode_run(unsigned long seed)
{
    start(seed);
    unsigned classes = allowed_classes();
    for (world.step = 1; world.step <= world.group->steps; world.step++) {
        place_step();
        unsigned noted = world.report->history_next[0];
        struct pair *pair = &world.pairs[below(world.pair_count)];
        pick_operation(classes)->step(pair);
        if (world.report->history_next[0] == noted) /* it had nothing to do on this pair */
            op_reset(pair);
        count_operations(1);
        if (world.step % 64 == 0)
            compare_all();
    }
    compare_all();
    for (unsigned i = 0; i < world.pair_count; i++)
        pair_drop(&world.pairs[i]);
    if (chance(50))
        _exit(0);
}

/* Runs before the constructors of every shared object, so before any library is ready. */
static void before_constructors(int count, char **arguments, char **environment)
{
    (void)count;
    (void)arguments;
    for (; *environment; environment++) {
        if (strcmp(*environment, "TWIN_EARLY=resets") == 0)
            special_early();
        if (strcmp(*environment, "TWIN_EARLY=emfile") == 0) {
            struct rlimit limit;
            getrlimit(RLIMIT_NOFILE, &limit);
            limit.rlim_cur = 3;
            while (raw_call(SYS_fcntl, (long)limit.rlim_cur, F_GETFD, 0, 0, 0, 0) >= 0)
                limit.rlim_cur++;
            setrlimit(RLIMIT_NOFILE, &limit);
        }
    }
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **,
                                                                              char **) = before_constructors;
