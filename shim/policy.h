/* How a range is reset, learned from how its last resets went. Pure: what is known goes in, decisions and the
   next history come out.

   A page that is kept and written again saves a fault (1.9 us here with its teardown, 0.5 us on the best
   hosts); one that is kept and not written costs a restore (50 ns) at every reset, and its memory. So what
   counts is which of the kept pages are written again, and only a look can tell. */
#ifndef SHIM_POLICY_H
#define SHIM_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/costs.h"
#include "shim/counters.h"
#include "shim/rules.h"

enum slot_state {
    /* Never reset before: served while little is kept in all, else forwarded once, so that memory which is
       purged only once costs nothing. */
    SLOT_NEW,
    /* The reset before was forwarded, so what is present now was touched since. Nothing? Then it is given up.
     */
    SLOT_LOOK,
    /* On trial: served some times. Then kept pages that still equal the snapshot were not written in this
       cycle: when they are too many for the faults that are saved, of writes and reads, it is given up; in a
       later trial, when each cycle's pages are new ones. */
    SLOT_CHECK,
    /* Scanned and restored, or restored blindly; now and then audited, which checks as above. */
    SLOT_SERVE,
    /* Forwarded, with no question to the kernel, until it is time to look again. */
    SLOT_GIVEN_UP,
};

/* What is remembered of a range. Hints, never a reason to believe that memory is clean. The first word says
   what it keeps, and another range may take of that (slot_yield). */
struct slot_history {
    uint32_t kept;        /* pages the last reset wrote, which stay resident */
    uint32_t pages : 24;  /* its length at the last reset; 64 GiB at the most: slot_pages */
    uint32_t rule : 8;    /* whose kept bytes they are */
    uint8_t state;        /* enum slot_state */
    uint8_t reason;       /* SLOT_GIVEN_UP: the enum reason */
    uint8_t refusals : 2; /* in a row */
    uint8_t vectors : 1;  /* all of it is written by vectors, */
    uint8_t dear : 4;     /* times in a row: see policy_time_rest and policy_time_whole */
    uint8_t wandered : 1; /* pages did not come back: the last trial was ended for it, or all are kept */
    uint8_t page_ns;      /* that a page took when all of it was written so, or may take; 0: not known */
    uint16_t countdown;   /* turns (of about 64 resets; SLOT_CHECK: resets) until it is looked at again */
    uint8_t patience : 4; /* log2 of the turns it is given up for, next time */
    uint8_t interval : 4; /* log2 of the turns from one audit to the next */
    uint8_t table_ns;     /* that a scan took to pass over a page table's worth; 0: not known */
    uint32_t audited;     /* pages that were kept at the last audit */
    uint32_t window;      /* pages from its start, behind which nothing was present; 0: not known */
    uint32_t gap_start, gap_end; /* and between which nothing was either; equal: no such gap is known */
    uint32_t last_used;          /* milliseconds, where the budget is short; else 0 */
    uint32_t dirty;              /* pages the program was last seen to write in a cycle, */
    uint32_t image_dirty;        /* and those of them that are an image's */
    uint32_t touched;            /* ... and to write or read, at the last look; 0: not looked yet */
} __attribute__((aligned(8)));   /* compared and stored by words */

/* What this reset is to do, before the kernel is asked anything. */
enum opening { OPEN_FORWARD, OPEN_LOOK, OPEN_AUDIT, OPEN_SERVE };

/* This reset is so long. What stores are quicker was learned of another length. */
void policy_note_length(struct slot_history *history, uint32_t pages);

/* *why is set for OPEN_FORWARD. turn: true for about one reset in 64. Between turns a history in which
   nothing changes need not be written. trusting: little is kept in all. */
enum opening policy_open(struct slot_history *history, bool turn, bool trusting, enum reason *why);

/* What a reset found. Pages. */
struct findings {
    uint32_t touched;       /* OPEN_LOOK: as pagemap_count has it; of a thousand the rest need not be known */
    uint32_t restored;      /* written back, which stay resident */
    uint32_t unneeded;      /* OPEN_AUDIT: of the restored, those that equalled the snapshot before */
    uint32_t image_written; /* of the others, those of an image */
    uint32_t image_pages;   /* of the whole range, those of an image */
};

/* Learns from what a reset of so many pages found, and says whether its pages shall stay: false means that
   the caller gives the whole range to the real call now. */
bool policy_close(const struct costs *costs, struct slot_history *history, enum opening opening,
                  const struct findings *findings);

/* The range could not be served, for this reason. After some refusals in a row it is given up. */
void policy_refused(struct slot_history *history, enum reason reason);

/* How one piece of a call is reset. */
enum decision { DECIDE_SCAN, DECIDE_SCAN_COMPLEMENT, DECIDE_BLIND, DECIDE_FORWARD };

struct policy_input {
    enum rule_policy rule;
    bool blind_possible;  /* the piece can be written whole without asking what is dirty */
    bool all_possible;    /* ... and so can all others of the call */
    bool stores_safe;     /* ... by plain stores, with no system call */
    bool image;           /* it is restored from a file's content */
    bool unconfirmed;     /* the mapping is what it was at some earlier time, */
    bool promised;        /* ... or what the user promised; else the kernel said so just now */
    bool learning;        /* a look or an audit: only a scan of dirty pages tells */
    uint64_t pages;       /* of the piece */
    uint64_t pages_left;  /* of the threshold and the budget */
    uint64_t call_pages;  /* of the whole call, */
    uint64_t image_pages; /* ... and of those an image's */
    uint32_t expected;    /* of them: about how many a scan will find dirty; 0: not known */
    uint32_t dirty;       /* of them: written in a cycle, when last seen, */
    uint32_t piece_dirty; /* ... and of those the piece's, */
    bool known;           /* if they were */
    uint32_t resident;    /* of the call: kept, so that a scan finds them whether they were written or not */
    uint32_t page_ns;     /* as in the history */
};

enum decision policy_decide(const struct costs *costs, const struct policy_input *input);

/* Should an image and the anonymous memory behind it be scanned as one, when so many pages are expected to be
   dirty in all? It saves a scan, but asks more of each page. */
bool policy_scans_together(uint64_t dirty_pages);

/* Of how many pages are the longest runs that go past the caches, where a reset writes so many pages? 0: none
   do. */
uint64_t policy_streams(uint64_t pages);

/* Of a range this long with this window: how many pages from its start to scan, leaving the rest to the real
   call, which passes over page tables in a third of the time. */
uint64_t policy_window(uint64_t pages, uint32_t window);

/* Where a look found pages, counted from the range's start: sets window and gap. All 0: not known. */
void policy_note_found(struct slot_history *history, uint32_t end, uint32_t gap_start, uint32_t gap_end);

/* What a scan of so many pages, of which it found some, took. It is believed where that is less than was
   thought: more may have been an interruption. */
void policy_time_scan(struct slot_history *history, uint64_t pages, uint64_t found, uint64_t ns);

/* What the real calls took in a reset that forwarded so many pages, where they were for the rest alone,
   behind the window and in the gap. Where several threads make them at once, each flushes the TLBs of all
   CPUs (mm_tlb_flush_nested): when they keep taking longer than the scan of it all would, there is no rest
   until the next look but one. */
void policy_time_rest(struct slot_history *history, uint64_t pages_forwarded, uint64_t ns);

/* Is it to be found out what this range takes to be written whole, if its next reset does so? */
bool policy_wants_time(const struct slot_history *history);

/* What it took to write all of a range whose pages were all resident, so many of them an image's. How hot
   memory is nobody can tell beforehand: of 8 ranges a page takes 25 ns, of 512 up to 90 (Zen 5). False where
   a scan would have taken less, some times in a row: the caller gives the range to the real call, so that a
   look can tell what is dirty, and it is scanned, until an audit has it tried again. */
bool policy_time_whole(const struct costs *costs, struct slot_history *history, uint64_t image_pages,
                       uint64_t ns, bool tried_other);

/* Is a range that is written whole, anonymous and by stores, to be written by vectors where it mostly is by
   strings, or the other way round? Vectors fetch what they overwrite, and string instructions do not: 64 KiB
   of one range take 0.28 us by vectors and 0.40 by them, of 8 ranges the same, of 64 ranges 0.64 and 0.52, of
   512 1.6 and 0.8 (Zen 5). So now and then, on a turn, the other one is tried, and policy_time_whole
   compares. */
bool policy_tries_other(const struct slot_history *history, bool turn);

#endif
