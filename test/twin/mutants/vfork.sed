# shim/descriptors.c: what a vfork child does to its own descriptors is taken as done to its parent's
s/if (!state_is_ours())/if (false)/
