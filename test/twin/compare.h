/* Both sides must look the same, and a page that was just reset must look fresh. */
#ifndef TWIN_COMPARE_H
#define TWIN_COMPARE_H

#include "twin.h"

void compare_open(void); /* (re)opens the view of this process's page tables */
/* The next comparison of a pair also expects these pages to read as after a fault: zero, or the file. */
void compare_expect(size_t first, size_t end);
void compare_pair(const struct pair *pair);
void compare_all(void);
/* Counts the rows that only the page tables show, for a range that is about to be reset. */
void compare_survey(const struct pair *pair, size_t first, size_t end);

#endif
