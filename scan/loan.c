#include "scan/loan.h"

#include "scan/prim.h"

/* A thing's word holds the address of the loan, or 0 where it is not lent; above that, how often it was. */
enum { ADDRESS_BITS = 48 };
#define ADDRESS (((uint64_t)1 << ADDRESS_BITS) - 1)

static uint64_t *word_of(const struct loans *loans, unsigned index)
{
    return (uint64_t *)((char *)loans->first + index * loans->stride);
}

static uint64_t cookie_of(unsigned index, uintptr_t loan)
{
    return (loan ^ (uint64_t)index << 56) * 0x9e3779b97f4a7c15ULL | 1;
}

/* The borrower's stack may be gone: it is read as read(2) would. */
static __attribute__((cold)) bool is_abandoned(unsigned index, uint64_t word)
{
    uintptr_t borrower = word & ADDRESS;
    uint64_t cookie = 0;
    struct iovec to = {&cookie, sizeof cookie}, from = {(void *)borrower, sizeof cookie};
    long count = prim_copy_safely(&to, &from, 1);
    return count == -14 /* EFAULT */ ||
           (count == (long)sizeof cookie && cookie != cookie_of(index, borrower));
}

static bool take(const struct loans *loans, unsigned index, uint64_t from, struct loan *loan)
{
    uint64_t number = (from >> ADDRESS_BITS) + 1;
    loan->index = index;
    __atomic_store_n(&loan->cookie, cookie_of(index, (uintptr_t)loan), __ATOMIC_RELEASE);
    return __atomic_compare_exchange_n(word_of(loans, index), &from, (uintptr_t)loan | number << ADDRESS_BITS,
                                       false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

bool loan_take(const struct loans *loans, struct loan *loan)
{
    /* Threads start at different ones, each mostly at the same: stacks are 8 MiB and a page apart. */
    uint64_t hash = ((uintptr_t)loan >> 13) * 0x9e3779b97f4a7c15ULL >> 32;
    unsigned first = (unsigned)(hash * loans->number >> 32);
    for (unsigned i = 0; i < loans->number; i++) {
        unsigned index = (first + i) % loans->number;
        uint64_t word = __atomic_load_n(word_of(loans, index), __ATOMIC_RELAXED);
        if (!(word & ADDRESS) && take(loans, index, word, loan))
            return true;
    }
    for (unsigned index = 0; index < loans->number; index++) {
        uint64_t word = __atomic_load_n(word_of(loans, index), __ATOMIC_ACQUIRE);
        if ((word & ADDRESS) && is_abandoned(index, word) && take(loans, index, word, loan))
            return true;
    }
    loan->cookie = 0;
    return false;
}

void loan_return(const struct loans *loans, struct loan *loan)
{
    uint64_t *word = word_of(loans, loan->index);
    __atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) & ~ADDRESS, __ATOMIC_RELEASE);
    __atomic_store_n(&loan->cookie, 0, __ATOMIC_RELAXED);
}
