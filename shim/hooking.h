/* Brings in hooks.so, for what preloading alone does not do: the other kinds of hooks, and symbol= rules. */
#ifndef SHIM_HOOKING_H
#define SHIM_HOOKING_H

#include <stdbool.h>
#include <stdint.h>

/* Loads hooks.so if the settings ask for it, and lets it look at what is loaded. Before main; a failure is
   one line, and everything works that needs no hooks.so. filtered: a seccomp filter is there, so a child
   tries first. */
void hooking_start(bool filtered);

/* Not 0: dlsym calls hooking_before_dlsym first. Read by entry.S. */
extern uint8_t hooking_active;

/* A program that has loaded an object soon asks for a symbol of it: the moment to look at what is new, or at
   what hooks=inline, which has the loader tell of it, had to leave until then. */
void hooking_before_dlsym(void *handle, const char *name);

#endif
