# scan/reset.c: a swapped-out page or a guard marker is written to as if it were present
s/(CATEGORY_SWAPPED | CATEGORY_HUGE)/CATEGORY_HUGE/
