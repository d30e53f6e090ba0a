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

static uint32_t this_thread(void)
{
    uint64_t pointer;
    __asm__("movq %%fs:0, %0" : "=r"(pointer));
    return (uint32_t)(pointer >> 6);
}

/* Is the frame that borrowed it gone? Its stack may be, too: it is read as read(2) would. Else *thread is
   whose it is; 0: not known. */
static __attribute__((cold)) bool is_abandoned(unsigned index, uint64_t word, uint32_t *thread)
{
    uintptr_t borrower = word & ADDRESS;
    struct loan loan = {0};
    struct iovec to = {&loan, sizeof loan}, from = {(void *)borrower, sizeof loan};
    long count = prim_copy_safely(&to, &from, 1);
    *thread = loan.thread;
    return count == -14 /* EFAULT */ ||
           (count == (long)sizeof loan && loan.cookie != cookie_of(index, borrower));
}

static bool take(const struct loans *loans, unsigned index, uint64_t from, struct loan *loan)
{
    uint64_t number = (from >> ADDRESS_BITS) + 1;
    loan->index = index;
    loan->thread = this_thread();
    __atomic_store_n(&loan->cookie, cookie_of(index, (uintptr_t)loan), __ATOMIC_RELEASE);
    return __atomic_compare_exchange_n(word_of(loans, index), &from, (uintptr_t)loan | number << ADDRESS_BITS,
                                       false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* One or two of them: to look at one takes a system call. */
static __attribute__((cold, noinline)) bool take_abandoned(struct loans *loans, struct loan *loan)
{
    uint32_t thread;
    for (int i = 0; i < 2; i++) {
        unsigned index = __atomic_fetch_add(&loans->hand, 1, __ATOMIC_RELAXED) % loans->number;
        uint64_t word = __atomic_load_n(word_of(loans, index), __ATOMIC_ACQUIRE);
        if ((word & ADDRESS) && is_abandoned(index, word, &thread) && take(loans, index, word, loan))
            return true;
    }
    return false;
}

bool loan_take(struct loans *loans, struct loan *loan)
{
    loan->cookie = 0;
    if ((uintptr_t)loan >> ADDRESS_BITS)
        return false;
    /* Threads start at different ones, each mostly at the same: stacks are 8 MiB and a page apart. */
    uint64_t hash = ((uintptr_t)loan >> 13) * 0x9e3779b97f4a7c15ULL >> 32;
    unsigned first = (unsigned)(hash * loans->number >> 32);
    for (unsigned i = 0; i < loans->number; i++) {
        unsigned index = (first + i) % loans->number;
        uint64_t word = __atomic_load_n(word_of(loans, index), __ATOMIC_RELAXED);
        if (!(word & ADDRESS) && take(loans, index, word, loan))
            return true;
    }
    if (take_abandoned(loans, loan))
        return true;
    loan->cookie = 0;
    return false;
}

void loan_return(const struct loans *loans, struct loan *loan)
{
    uint64_t *word = word_of(loans, loan->index);
    __atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) & ~ADDRESS, __ATOMIC_RELEASE);
    __atomic_store_n(&loan->cookie, 0, __ATOMIC_RELAXED);
}

void loan_forget_others(const struct loans *loans)
{
    for (unsigned index = 0; index < loans->number; index++) {
        uint64_t *word = word_of(loans, index);
        uint32_t thread;
        uint64_t now = __atomic_load_n(word, __ATOMIC_RELAXED);
        if ((now & ADDRESS) && (is_abandoned(index, now, &thread) || thread != this_thread()))
            __atomic_store_n(word, now & ~ADDRESS, __ATOMIC_RELAXED);
    }
}
