/* Shell patterns without fnmatch, which may call malloc and reads the locale. Pure. */
#ifndef SHIM_GLOB_H
#define SHIM_GLOB_H

#include <stdbool.h>

/* Does text match pattern? `*` matches any bytes, a slash too; `?` one byte; `[a-z]`, `[!a-z]` a set; a
   backslash takes the next byte as it is. Time is at most length times length; no recursion. */
bool glob_matches(const char *pattern, const char *text);

/* As above, against the whole path or its base name. */
bool glob_matches_path(const char *pattern, const char *path);

#endif
