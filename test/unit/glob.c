#include "test/unit/unit.h"

#include "shim/glob.h"

#include <time.h>

Test(glob, matches)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"*", "", true},
        {"*", "a/b", true},
        {"**", "ab", true},
        {"a*", "a", true},
        {"*a", "bca", true},
        {"*a", "ab", false},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbYbZ", false},
        {"?", "a", true},
        {"?", "", false},
        {"??", "a", false},
        {"?*", "", false},
        {"[a-c]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[!a-c]x", "dx", true},
        {"[^a-c]x", "ax", false},
        {"[abc-]", "-", true},
        {"[]a]", "]", true},
        {"[!]a]", "]", false},
        {"[!]a]", "b", true},
        {"[", "[", true},
        {"[a", "[a", true},
        {"[a", "a", false},
        {"[z-a]", "m", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"\\[a]", "[a]", true},
        {"a\\", "a\\", true},
        {"*[0-9].so", "libx7.so", true},
        {"memfd:*", "memfd:wasm-memory-image", true},
        {"\xc3?", "\xc3\xa9", true},
        {"[\x80-\xff]", "\xa9", true},
        {"*.so", "x.so.so", true},
        {"a*a*a*a", "aaa", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(glob_matches(rows[i].pattern, rows[i].text), rows[i].matches, "%s against %s",
                     rows[i].pattern, rows[i].text);
}

Test(glob, takes_a_path_or_its_base_name)
{
    cr_assert(glob_matches_path("libc.so*", "/lib/x86_64-linux-gnu/libc.so.6"));
    cr_assert(glob_matches_path("/lib/*", "/lib/x/libc.so.6"));
    cr_assert(glob_matches_path("plain", "plain"));
    cr_assert_not(glob_matches_path("lib", "/lib/"));
    cr_assert(glob_matches_path("", "/lib/"));
    cr_assert_not(glob_matches_path("x86*", "/lib/x86/libc.so.6"));
}

/* A pattern of stars must not take exponential time. */
Test(glob, is_quick, .timeout = 5)
{
    char pattern[201], text[2001];
    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[199] = 'b';
    pattern[200] = 0;
    memset(text, 'a', 2000);
    text[2000] = 0;
    cr_assert_not(glob_matches(pattern, text));
}
