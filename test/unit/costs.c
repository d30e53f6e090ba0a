#include "scan/costs.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test/unit/unit.h"

/* A scan is no dearer. */
static bool believable(const struct costs *costs)
{
    return costs->scan >= costs_typical.scan / 4 && costs->scan <= costs_typical.scan &&
           costs->store >= costs_typical.store / 4 && costs->store <= costs_typical.store * 4;
}

Test(costs, are_measured)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    cr_assert(pagemap >= 0);
    struct costs costs = {0};
    costs_measure(pagemap, &costs);
    cr_assert(believable(&costs), "%u ns a scan, %u a store", costs.scan, costs.store);
    close(pagemap);
}

/* What fails takes hardly any time, and is not believed to. */
Test(costs, of_what_fails_are_no_less_than_a_quarter)
{
    struct costs costs;
    costs_measure(-1, &costs);
    cr_assert(believable(&costs), "%u ns", costs.scan);
}

Test(costs, without_memory_are_typical)
{
    struct rlimit none = {0, RLIM_INFINITY}, before;
    struct costs costs = {0};
    getrlimit(RLIMIT_AS, &before);
    none.rlim_max = before.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_AS, &none), 0);
    costs_measure(-1, &costs);
    setrlimit(RLIMIT_AS, &before);
    cr_assert_eq(costs.scan, costs_typical.scan);
    cr_assert_eq(costs.store, costs_typical.store);
}
