#include "shim/state.h"

#include "scan/prim.h"
#include "shim/message.h"

static uint32_t never_forked = FORK_MARK_SET;

struct state process = {
    .fork_mark = &never_forked,
    .standing = REASON_not_ready,
    .live = -1,
    .files = {-1, -1, -1},
    .memory = {-1, -1, -1},
};

bool state_is_ours(void)
{
    return process.pid == 0 || prim_getpid() == process.pid;
}

void state_stand_down(enum reason reason, const char *why)
{
    if (__atomic_exchange_n(&process.standing, reason, __ATOMIC_ACQ_REL) != reason)
        message(LOG_INFO, "forwarding every call from now on: ", why, NULL);
}

static uint32_t fork_mark(void)
{
    return __atomic_load_n(process.fork_mark, __ATOMIC_ACQUIRE);
}

bool state_is_unadopted_child(void)
{
    return fork_mark() != FORK_MARK_SET;
}

uint32_t state_fork_epoch(void)
{
    return unlikely(state_is_unadopted_child()) ? NO_EPOCH
                                                : __atomic_load_n(&process.forks, __ATOMIC_RELAXED);
}
