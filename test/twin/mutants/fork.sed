# shim/state.h: a fork child goes on with its parent's descriptors
s/return __atomic_load_n(process.fork_mark.*/return true;/
