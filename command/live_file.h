/* Another process's live file: where it is, what it says (shim/live.h has the layout), and its switch. */
#ifndef COMMAND_LIVE_FILE_H
#define COMMAND_LIVE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "command/statistics_file.h"

enum { LIVE_PATH = 4096 + 512 };

/* A process's settings, as its environment had them when it started. */
struct target {
    int pid;               /* as this process sees it */
    int own_pid;           /* as it sees itself: another one in a container */
    char live[LIVE_PATH];  /* its live file, from here; "" when it has none */
    char stats[LIVE_PATH]; /* its statistics file, likewise */
};

/* The PID that text is, or -1: digits only. */
int parse_pid(const char *text);

/* Finds a process's files. Returns 0, or OWN_FAILURE after a line that says why they cannot be found. */
int target_find(int pid, struct target *target);

/* Reads the bytes of a live file. Returns NULL, or what is wrong with it. */
const char *live_read(const char *bytes, size_t length, struct statistics *statistics);

/* Does the process run still that a live file with this pid and executable's name was made by? */
bool live_is_running(int pid, const char *exe);

#endif
