/* The live file: the counters where others can read them while the process runs, and after SIGKILL.

   It is written with pwrite, not mapped: a mapped file that somebody cuts short is a SIGBUS in the host. What
   that costs after each call (150 ns on tmpfs on some hosts, 600 on others) is paid only with live= set.

   Layout: a text page that describes the rest, then COUNTER_BLOCKS blocks of 64-bit words to be added up:
     keepwarm-live/1
     pid N / exe NAME / mode MODE / arm ARM
     blocks COUNT OFFSET WORDS      bytes; words of 8 bytes a block, native byte order
     counters NAME...               the first words of a block
     declined NAME...               the next words
     rules COUNT                    then matched, served, forwarded, kept of each of RULES_MAX rules
     rule TEXT                      a line for each of COUNT rules: its first LIVE_RULE_SHOWN bytes
   Behind the text, in the same page:
     at LIVE_SWITCH, one byte for others to write: '0' switches the process to forwarding, anything else back.
                     It is read after a call, every 10 ms at most. The library never writes it; a process, and
                     a fork child with a file of its own, finds 0 there and so starts switched on
     at LIVE_UNCOUNTED, one byte: '1' once the process, or a fork child of it, has begun to make calls that it
                     can count nowhere: behind a seccomp filter, or where no live file can be made (a chroot)
     at LIVE_PAIRS   under mode=ab, after each pair of slices: the `ab` of the statistics, as JSON that ends
                     with a NUL */
#ifndef SHIM_LIVE_H
#define SHIM_LIVE_H

#include <stdbool.h>
#include <stdint.h>

struct pairs;

#define LIVE_FIRST_LINE "keepwarm-live/1\n"

enum {
    LIVE_SWITCH = 8192,
    LIVE_UNCOUNTED = 8256,
    LIVE_PAIRS = 12288,
    LIVE_HEADER = 16384,
    LIVE_RULE_SHOWN = 180
};

/* Creates the file that live= names, as a new file in place of any old one. A fork child gets one of its own
   only where the name holds %p. On failure process.live is -1 and one line at warn says why. arm: as for
   live_describe. */
void live_open(bool is_fork_child, const char *arm);

/* From now on calls are made that are counted nowhere: notes it in the live file behind this descriptor,
   which may be a parent's; in none where it is something else by now. */
void live_note_uncounted(int fd);

/* RLIMIT_FSIZE is about to be this: a write past it would be a SIGXFSZ. */
void live_limit(uint64_t bytes);

/* Writes the first page again: the file may have been cut short. arm: the label of what is counted. */
void live_describe(const char *arm);

/* Shows what mode=ab has found. By one thread at a time. */
void live_show_pairs(const struct pairs *pairs);

/* Writes the calling thread's counters. To be called after every call. False when the file is not ours, or no
   longer written. Signal-safe. */
bool live_publish(void);

#endif
