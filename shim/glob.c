#include "shim/glob.h"

#include <stddef.h>
#include <string.h>

/* Matches one byte against the set that starts after its '['. Sets *end to the byte after its ']', or
   returns false with *end NULL when there is none. */
static bool set_matches(const char *set, char byte, const char **end)
{
    bool inverted = *set == '!' || *set == '^', found = false;
    const char *at = set + inverted;
    const char *first = at;
    *end = NULL;
    for (; *at && (*at != ']' || at == first); at++) {
        if (at[1] == '-' && at[2] && at[2] != ']') {
            found = found || (*at <= byte && byte <= at[2]);
            at += 2;
        } else {
            found = found || *at == byte;
        }
    }
    if (!*at)
        return false;
    *end = at + 1;
    return found != inverted;
}

/* Matches one pattern element, not a star, against one byte; returns the pattern after it, or NULL. */
static const char *match_one(const char *pattern, char byte)
{
    const char *end;
    if (!*pattern || !byte)
        return NULL;
    if (*pattern == '?')
        return pattern + 1;
    if (*pattern == '[') {
        bool matches = set_matches(pattern + 1, byte, &end);
        if (end)
            return matches ? end : NULL;
    }
    if (*pattern == '\\' && pattern[1])
        pattern++;
    return *pattern == byte ? pattern + 1 : NULL;
}

bool glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *star_text = NULL;
    for (;;) {
        if (*pattern == '*') {
            star = ++pattern;
            star_text = text;
            continue;
        }
        if (!*pattern && !*text)
            return true;
        const char *next = match_one(pattern, *text);
        if (next) {
            pattern = next;
            text++;
            continue;
        }
        if (!star || !*star_text)
            return false;
        /* Let the last star take one byte more. */
        pattern = star;
        text = ++star_text;
    }
}

bool glob_matches_path(const char *pattern, const char *path)
{
    const char *slash = strrchr(path, '/');
    return glob_matches(pattern, path) || (slash && glob_matches(pattern, slash + 1));
}
