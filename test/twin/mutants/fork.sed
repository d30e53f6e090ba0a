# shim/state.h: a fork child goes on with its parent's descriptors
s/^           state_enter_child();/           true;/
