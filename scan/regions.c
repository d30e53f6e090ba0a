#include "scan/regions.h"

#include <stddef.h>

enum { VECTORS = 16 };

static struct {
    uint64_t lent;
    struct page_region region[REGIONS_MANY];
} __attribute__((aligned(64))) vectors[VECTORS];

static struct loans loans = {vectors, sizeof vectors[0], VECTORS, 0};

struct page_region *regions_claim(struct loan *claim)
{
    return loan_take(&loans, claim) ? vectors[claim->index].region : NULL;
}

void regions_release(struct loan *claim)
{
    loan_return(&loans, claim);
}

void regions_forget_others(void)
{
    loan_forget_others(&loans);
}
