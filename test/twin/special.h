/* What special.c keeps for the start of an episode. */
#ifndef TWIN_SPECIAL_H
#define TWIN_SPECIAL_H

#include <stdbool.h>

/* Resets made before main. */
struct early {
    unsigned long resets;
    bool differ;
};
const struct early *special_early_result(void);
void special_start(void);

#endif
