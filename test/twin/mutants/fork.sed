# shim/state.h: a fork child goes on with its parent's descriptors
s/return __atomic_load_n(process.fork_mark, __ATOMIC_ACQUIRE) == FORK_MARK_SET || state_enter_child();/return true;/
