/* Ranges that the policy has given up: forwarded with no more questions, and counted like any other call. */
#include "test/places/place.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { PAGES = 16, LENGTH = PAGES * PLACE_PAGE, UNTIL_GIVEN_UP = 100, CALLS = 300 };

typedef int resetting(void *address, size_t length, int advice);

/* Nobody touches it between its resets. */
static unsigned char *given_up_memory(resetting *reset)
{
    unsigned char *memory = dirty_memory(LENGTH);
    for (int i = 0; i < UNTIL_GIVEN_UP; i++)
        if (reset(memory, LENGTH, MADV_DONTNEED))
            exit(CASE_FAILED);
    return memory;
}

static int forwarded(resetting *reset)
{
    unsigned char *memory = given_up_memory(reset);
    uint64_t policy = counter("declined.policy"), pages = counter("pages_forwarded"),
             calls = counter("served") + counter("forwarded"), real = counter("real_calls");
    for (int i = 0; i < CALLS; i++)
        EXPECT(reset(memory, LENGTH, MADV_DONTNEED) == 0);
    EXPECT(counter("declined.policy") == policy + CALLS);
    EXPECT(counter("pages_forwarded") == pages + CALLS * PAGES);
    EXPECT(counter("served") + counter("forwarded") == calls + CALLS);
    EXPECT(counter("real_calls") == real + CALLS);
    make_dirty(memory, LENGTH);
    EXPECT(reset(memory, LENGTH - 1, MADV_DONTNEED) == 0 && is_zero(memory, LENGTH));
    return CASE_PASSED;
}

static int of_a_function(void)
{
    return forwarded(madvise);
}

static int at_a_site(void)
{
    return forwarded(site_madvise);
}

/* Odd lengths are the kernel's to answer, and no pages. */
static int odd_lengths(resetting *reset)
{
    unsigned char *memory = given_up_memory(reset);
    uint64_t pages = counter("pages_forwarded"), arguments = counter("declined.arguments");
    for (int i = 0; i < CALLS; i++)
        EXPECT(reset(memory, 0, MADV_DONTNEED) == 0 && reset(memory, (size_t)-1, MADV_DONTNEED) != 0);
    EXPECT(counter("declined.arguments") == arguments + 2 * CALLS && counter("pages_forwarded") == pages);
    return CASE_PASSED;
}

static int odd_lengths_of_a_function(void)
{
    return odd_lengths(madvise);
}

static int odd_lengths_at_a_site(void)
{
    return odd_lengths(site_madvise);
}

/* Of another length, no rule may match it; or it fails. */
static int other_lengths(void)
{
    unsigned char *memory = given_up_memory(madvise);
    uint64_t policy = counter("declined.policy"), none = counter("declined.no_rule"),
             arguments = counter("declined.arguments");
    for (int i = 0; i < CALLS; i++)
        EXPECT(madvise(memory, PLACE_PAGE, MADV_DONTNEED) == 0);
    EXPECT(counter("declined.no_rule") == none + CALLS && counter("declined.policy") == policy);
    EXPECT(madvise(memory, 0, MADV_DONTNEED) == 0);
    EXPECT(madvise(memory, (size_t)-1, MADV_DONTNEED) == -1 && errno == EINVAL);
    EXPECT(counter("declined.arguments") == arguments + 2 && counter("declined.policy") == policy);
    return CASE_PASSED;
}

static int gone(void)
{
    unsigned char *memory = given_up_memory(madvise);
    uint64_t pages = counter("pages_forwarded"), real = counter("real_calls");
    EXPECT(raw_call(SYS_munmap, (long)memory, LENGTH, 0, 0) == 0);
    for (int i = 0; i < CALLS; i++)
        EXPECT(madvise(memory, LENGTH, MADV_DONTNEED) == -1 && errno == ENOMEM);
    EXPECT(counter("pages_forwarded") == pages && counter("real_calls") == real + CALLS);
    return CASE_PASSED;
}

/* One call in 64 or so is a turn: so it is found out that the range is used again. */
static int used_again(void)
{
    unsigned char *memory = given_up_memory(madvise);
    uint64_t served = counter("served");
    for (int i = 0; i < 100 * CALLS && counter("served") < served + CALLS; i++) {
        memory[0] = memory[7 * PLACE_PAGE] = 1;
        EXPECT(madvise(memory, LENGTH, MADV_DONTNEED) == 0 && is_zero(memory, LENGTH));
    }
    EXPECT(counter("served") >= served + CALLS);
    return CASE_PASSED;
}

int main(int argc, char **argv)
{
    static const struct place_case cases[] = {
        {"of_a_function", NULL, NULL, of_a_function},
        {"of_a_function_cached", "any,vma=cache", NULL, of_a_function},
        {"of_a_caller", "any,caller=given_up", NULL, of_a_function},
        {"at_a_site", NULL, "hooks=inline", at_a_site},
        {"odd_lengths_of_a_function", NULL, NULL, odd_lengths_of_a_function},
        {"odd_lengths_at_a_site", NULL, "hooks=inline", odd_lengths_at_a_site},
        {"other_lengths", "any,min=8K", NULL, other_lengths},
        {"other_lengths_of_a_caller", "any,min=8K,caller=given_up", NULL, other_lengths},
        {"gone", NULL, NULL, gone},
        {"used_again", NULL, NULL, used_again},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
