/* No thread is started: the first call after a slice's end, by whichever thread, ends it. A slice is counted
   from one such moment to another, so its calls and what they cost belong together however rare they are. */
#include "shim/arms.h"

#include <string.h>
#include <sys/auxv.h>

#include "scan/prim.h"
#include "shim/live.h"

static struct {
    uint64_t random;    /* the generator's state */
    uint32_t arm;       /* enum arm: which one it is just now */
    bool switched_off;  /* by the live file */
    bool broken;        /* a slice that runs was not all of one arm */
    uint64_t next_look; /* when to look at the switch again: nanoseconds of the coarse clock */
    uint64_t due;       /* when a slice or its first tenth is over, likewise */
    int lock;           /* guards what follows */
    bool measuring;     /* the first tenth of the slice is over */
    bool second;        /* slice of its pair */
    struct slice begun; /* readings when measuring began */
    struct slice slice[ARMS];
    struct pairs pairs;
} state;

/* A counter, scrambled (splitmix64). */
static uint64_t next_random(void)
{
    uint64_t word = state.random += 0x9e3779b97f4a7c15;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

/* From the bytes that the kernel gives each program: getrandom could be what a filter kills for. */
static void seed_random(void)
{
    const void *bytes = (const void *)getauxval(AT_RANDOM);
    uint64_t word[2] = {0, prim_now()};
    if (!state.random && bytes)
        memcpy(word, bytes, sizeof word);
    state.random ^= word[0] ^ word[1];
    state.random ^= next_random() * (uint32_t)process.pid;
}

static enum reason wanted_standing(void)
{
    if (__atomic_load_n(&state.switched_off, __ATOMIC_SEQ_CST))
        return REASON_switched_off;
    return __atomic_load_n(&state.arm, __ATOMIC_SEQ_CST) == ARM_OFF ? REASON_off_arm : REASON_COUNT;
}

/* A hazard's standing is for good. */
static void apply(void)
{
    uint32_t now = __atomic_load_n(&process.standing, __ATOMIC_ACQUIRE), wanted;
    do
        wanted = wanted_standing();
    while (standing_serves(now) && now != wanted &&
           !__atomic_compare_exchange_n(&process.standing, &now, wanted, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_ACQUIRE));
}

static void set_arm(enum arm arm)
{
    __atomic_store_n(&state.arm, arm, __ATOMIC_SEQ_CST);
    apply();
}

static void set_switch(bool on)
{
    if (__atomic_exchange_n(&state.switched_off, !on, __ATOMIC_SEQ_CST) == on)
        __atomic_store_n(&state.broken, true, __ATOMIC_RELEASE);
    apply();
}

#define LOOK_EVERY (10 * (uint64_t)1000000)

void arms_look_at_switch(void)
{
    uint64_t now = prim_now_coarse();
    char byte = 0;
    if (now < __atomic_load_n(&state.next_look, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&state.next_look, now + LOOK_EVERY, __ATOMIC_RELAXED);
    prim_pread(process.live, &byte, 1, LIVE_SWITCH);
    set_switch(byte != '0');
}

/* ---- slices ---- */

static struct slice read_meters(void)
{
    return (struct slice){counters_calls(), prim_now(), prim_cpu_now()};
}

static void set_due(uint64_t due)
{
    __atomic_store_n(&state.due, due, __ATOMIC_RELAXED);
}

/* The first resets of a slice meet pages that the other arm dropped or kept. */
static void settle(uint64_t now, enum arm arm)
{
    set_arm(arm);
    state.measuring = false;
    set_due(now + process.options.slice_ns / 10);
}

static void measure(uint64_t now)
{
    state.begun = read_meters();
    state.measuring = true;
    set_due(now + process.options.slice_ns - process.options.slice_ns / 10);
}

/* The order within a pair is random, so that no rhythm of the load can favour an arm. */
static void begin_pair(uint64_t now)
{
    state.second = false;
    settle(now, next_random() & 1 ? ARM_ON : ARM_OFF);
}

static void end_slice(uint64_t now)
{
    struct slice end = read_meters();
    enum arm arm = (enum arm)state.arm;
    state.slice[arm] = (struct slice){end.calls - state.begun.calls, end.ns - state.begun.ns,
                                      end.cpu_ns - state.begun.cpu_ns};
    if (!state.second) {
        state.second = true;
        settle(now, arm == ARM_ON ? ARM_OFF : ARM_ON);
        return;
    }
    pairs_add(&state.pairs, state.slice);
    live_show_pairs(&state.pairs);
    begin_pair(now);
}

static void turn(uint64_t now)
{
    bool broken = __atomic_exchange_n(&state.broken, false, __ATOMIC_ACQUIRE);
    if (broken || __atomic_load_n(&state.switched_off, __ATOMIC_RELAXED))
        begin_pair(now);
    else if (state.measuring)
        end_slice(now);
    else
        measure(now);
}

static bool is_due(uint64_t now)
{
    return now >= __atomic_load_n(&state.due, __ATOMIC_RELAXED);
}

void arms_look(void)
{
    uint64_t now = prim_now_coarse();
    /* Once calls are forwarded for good, no system call is made that the host did not ask for. */
    if (!is_due(now) || !standing_serves(standing_reason()) || !state_is_ours())
        return;
    /* With signals blocked, nothing can leave the lock held. */
    uint64_t signals = prim_block_signals();
    if (!__atomic_exchange_n(&state.lock, 1, __ATOMIC_ACQUIRE)) {
        if (is_due(now))
            turn(now);
        __atomic_store_n(&state.lock, 0, __ATOMIC_RELEASE);
    }
    prim_restore_signals(signals);
}

/* ---- start ---- */

static bool coin_shows_on(void)
{
    return (next_random() >> 32) * 1000000000 >> 32 < process.options.coin;
}

void arms_start(void)
{
    seed_random();
    state.switched_off = state.broken = false;
    memset(&state.pairs, 0, sizeof state.pairs);
    if (process.options.mode == MODE_AB)
        begin_pair(prim_now_coarse());
    else
        set_arm(process.options.mode == MODE_COIN && !coin_shows_on() ? ARM_OFF : ARM_ON);
    __atomic_store_n(&state.lock, 0, __ATOMIC_RELEASE);
}

const char *arms_label(void)
{
    if (process.options.mode == MODE_AB)
        return "both";
    enum mode mode = process.options.mode;
    return mode == MODE_OFF || mode == MODE_OBSERVE || state.arm == ARM_OFF ? "off" : "on";
}

const struct pairs *arms_pairs(void)
{
    return process.options.mode == MODE_AB ? &state.pairs : NULL;
}
