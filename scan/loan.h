/* Lends one of several things of a kind, such as large vectors, for the time of a call. Lock-free and
   signal-safe. What a frame borrowed that was then left by siglongjmp, or ended with its thread, is lent
   again once the frame has been overwritten: one that is in use keeps its cookie. */
#ifndef SCAN_LOAN_H
#define SCAN_LOAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loans {
    void *first;     /* of the things: each has a uint64_t at its start, at first 0, that belongs to loan.c */
    size_t stride;   /* bytes from one to the next */
    unsigned number; /* of them, at most 256 */
    unsigned hand;   /* the next that may have been abandoned; at first 0 */
};

/* Lives in the frame of the borrower. */
struct loan {
    uint64_t cookie;
    uint32_t index;  /* of what is lent */
    uint32_t thread; /* whose frame it is: of the thread pointer what tells threads apart */
};

/* False when all are lent. */
bool loan_take(struct loans *loans, struct loan *loan);

void loan_return(const struct loans *loans, struct loan *loan);

/* In a fork child, while no other thread of it can borrow: what threads of the parent had borrowed is free
   again. What this one has, for the fork may be a handler's, stays lent. */
void loan_forget_others(const struct loans *loans);

#endif
