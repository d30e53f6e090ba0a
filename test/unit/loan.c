#include "scan/loan.h"

#include <pthread.h>
#include <string.h>

#include "test/unit/unit.h"

enum { THINGS = 4 };

static struct {
    uint64_t word;
    char content[120];
} things[THINGS];
static struct loans loans = {things, sizeof things[0], THINGS, 0};

Test(loan, each_is_lent_once)
{
    struct loan loan[THINGS], none;
    for (int i = 0; i < THINGS; i++) {
        cr_assert(loan_take(&loans, &loan[i]));
        for (int j = 0; j < i; j++)
            cr_assert_neq(loan[i].index, loan[j].index);
    }
    for (int i = 0; i < 3 * THINGS; i++)
        cr_assert_not(loan_take(&loans, &none));
    loan_return(&loans, &loan[2]);
    cr_assert(loan_take(&loans, &none));
    cr_assert_eq(none.index, loan[2].index);
}

/* What a frame borrowed that was overwritten is found, though not at once. */
Test(loan, what_was_abandoned_is_lent_again)
{
    static struct loan loan[THINGS], next;
    for (int i = 0; i < THINGS; i++)
        cr_assert(loan_take(&loans, &loan[i]));
    memset(&loan[1], 0, sizeof loan[1]);
    int tries = 0;
    while (!loan_take(&loans, &next) && tries < THINGS)
        tries++;
    cr_assert_lt(tries, THINGS);
    for (int i = 0; i < THINGS; i++)
        cr_assert(i == 1 || next.index != loan[i].index);
}

static void *borrow(void *loan)
{
    cr_assert(loan_take(&loans, loan));
    return NULL;
}

/* As in a fork child, where the frames of threads that are not there are as they were. */
Test(loan, other_threads_loans_are_forgotten)
{
    static struct loan mine, others[THINGS - 1], again[THINGS];
    cr_assert(loan_take(&loans, &mine));
    for (int i = 0; i < THINGS - 1; i++) {
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, borrow, &others[i]), 0);
        pthread_join(thread, NULL);
    }
    cr_assert_not(loan_take(&loans, &again[0]));
    loan_forget_others(&loans);
    for (int i = 0; i < THINGS - 1; i++) {
        cr_assert(loan_take(&loans, &again[i]));
        cr_assert_neq(again[i].index, mine.index);
    }
    for (int i = 0; i < THINGS; i++)
        cr_assert_not(loan_take(&loans, &again[THINGS - 1]));
}
