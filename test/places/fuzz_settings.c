/* Hostile settings, parsed in one process: never a crash, and never half a rule. What must come out is worked
   out rule by rule from how each string was made, not by reading it back. */
#include "shim/options.h"
#include "shim/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRINGS = 60000, LONGEST = 40000 };

static uint64_t state;

static uint32_t pick(uint32_t below)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((state >> 33) % below);
}

static const char *const good_rules[] = {
    "any",
    "anon",
    "file=/x*",
    "file=a\\,b\\;c\\\\",
    "caller=lib*.so",
    "min=64K",
    "max=4T",
    "range=0x1000-7fffffff",
    "any,keep=0",
    "anon,policy=restore",
    "any,vma=cache",
    "file=*,image=stable",
    "any,min=0,max=18446744073709551615",
    "  anon  ,  keep = 1M ",
    "file=[",
    "file=[]",
    "caller=\\",
    "file=#",
    "file=\\x",
    "any,image=sealed,vma=check,policy=scan",
};
static const char *const bad_rules[] = {
    "bogus",
    "any,keep=12Q",
    "keep=1M",
    "file=",
    "range=2-1",
    "range=0-1ffffffffffffffff",
    "min=18446744073709551616",
    "any=1",
    "any,any",
    "min=16777216T",
    "symbol=x@",
    "preset=y",
    "any,policy=bad",
    "any,vma=",
    "any,,anon",
    "=",
    "\\",
    "any,min=1K,min=2K",
    "anon=\\",
    "an\\on",
    "ANY",
    "any keep=1",
    "range=-",
    "range=0x-0x",
};
static const char *const good_options[] = {"mode=on",    "mode=off",      "mode=verify", "mode=observe",
                                           "mode=ab=1s", "mode=coin=0.5", "keep=1M",     "exe=a\\,b",
                                           "stats=/x",   "live=none",     "log=error",   "log=info:/x",
                                           "strict=0",   "help",          "hooks=plt"};
static const char *const bad_options[] = {"mode=",    "mode=ab=1", "keep=1Q", "keep=99999999999999999999",
                                          "exe=",     "stats=",    "log=",    "log=x:/y",
                                          "strict=2", "help=1",    "nothing", "=",
                                          "\\=",      "budget=1x"};
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ONE_OF(array) (array)[pick(COUNT(array))]

static int fail(const char *what, const char *settings)
{
    fprintf(stderr, "FAILED: %s: %.300s\n", what, settings);
    return 1;
}

/* Every rule that stands is whole: its strings end within the text, its numbers are in order. */
static bool is_whole(const struct rules *rules)
{
    const char *end = rules->text + sizeof rules->text;
    for (unsigned i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->rule[i];
        const char *strings[] = {rule->text, rule->file, rule->caller};
        for (size_t s = 0; s < 3; s++)
            if (strings[s] && (strings[s] < rules->text || strings[s] >= end ||
                               !memchr(strings[s], 0, (size_t)(end - strings[s]))))
                return false;
        if (rule->policy > POLICY_FORWARD || !rule->text)
            return false;
    }
    return rules->count <= RULES_MAX && rules->text_used <= sizeof rules->text;
}

static bool lines_are_whole(const struct problems *problems)
{
    const struct text *lines = &problems->lines;
    unsigned seen = 0;
    for (const char *at = problems->bytes; *at; seen++) {
        const char *newline = strchr(at, '\n');
        if (strncmp(at, "keepwarm: KEEPWARM", 18) != 0 || !newline)
            return false;
        at = newline + 1;
    }
    return strlen(problems->bytes) == lines->length && seen <= problems->count && (seen || !problems->count);
}

static bool protects_what_follows(const char *words)
{
    size_t backslashes = 0;
    for (size_t at = strlen(words); at && words[at - 1] == '\\'; at--)
        backslashes++;
    return backslashes % 2;
}

/* Rules of which it is known which are good: those before the first bad one stand. */
static int known_rules(void)
{
    static char settings[LONGEST];
    static struct rules rules;
    static struct problems problems;
    bool lines = pick(2);
    unsigned wanted = 0, total = pick(40);
    bool bad = false;
    settings[0] = 0;
    for (unsigned i = 0; i < total; i++) {
        bool good = pick(12) != 0;
        const char *words = good ? ONE_OF(good_rules) : ONE_OF(bad_rules);
        /* A backslash at the end protects the separator: only the last rule may have one. */
        if (protects_what_follows(words) && i + 1 < total)
            words = good ? "anon" : "bogus";
        strcat(settings, words);
        strcat(settings, lines ? "\n" : ";");
        bad = bad || !good || wanted == RULES_MAX;
        wanted += !bad;
    }
    size_t length = strlen(settings);
    if (length && total)
        settings[--length] = 0;
    problems_start(&problems);
    rules_parse(&rules, (struct span){settings, length}, lines, 4096, &problems);
    if (rules.count != wanted || problems.count != bad)
        return fail("not the prefix of good rules", settings);
    return is_whole(&rules) && lines_are_whole(&problems) ? 0 : fail("half a rule", settings);
}

/* Options of which it is known how many are bad. */
static int known_options(void)
{
    static char settings[LONGEST];
    static struct options options;
    static struct problems problems;
    unsigned bad = 0, total = pick(30);
    settings[0] = 0;
    for (unsigned i = 0; i < total; i++) {
        bool good = pick(4) != 0;
        strcat(strcat(settings, good ? ONE_OF(good_options) : ONE_OF(bad_options)), i + 1 < total ? "," : "");
        bad += !good;
    }
    problems_start(&problems);
    options_parse(&options, (struct span){settings, strlen(settings)}, &problems);
    if (problems.count != bad || !lines_are_whole(&problems))
        return fail("not each bad option reported", settings);
    return 0;
}

static size_t random_bytes(char *bytes, size_t most)
{
    static const char likely[] =
        ",;=\\:@%#- \n\t0123456789KMGTanyfilecallerrangeminmaxkeepolicyvmaimagemodestatslive*?[]";
    size_t length = pick((uint32_t)most);
    bool any_byte = pick(3) == 0;
    for (size_t i = 0; i < length; i++)
        bytes[i] = any_byte ? (char)pick(256) : likely[pick(sizeof likely - 1)];
    return length;
}

static size_t mutation(char *bytes)
{
    size_t length = 0;
    for (unsigned parts = 1 + pick(6); parts; parts--) {
        const char *words = pick(2) ? ONE_OF(good_rules) : ONE_OF(good_options);
        memcpy(bytes + length, words, strlen(words));
        length += strlen(words);
        bytes[length++] = pick(2) ? ';' : ',';
    }
    for (unsigned changes = pick(5); changes && length; changes--) {
        size_t at = pick((uint32_t)length), some = pick(8);
        if (pick(3) == 0)
            bytes[at] = (char)pick(256);
        else if (pick(2) && at + some <= length)
            memmove(bytes + at, bytes + at + some, length - at - some), length -= some;
        else
            memmove(bytes + at + some, bytes + at, length - at), length += some;
    }
    return length;
}

/* Anything: whatever comes out is whole. The buffer is exact, so that a sanitizer sees a byte read beyond. */
static int unknown(void)
{
    static char bytes[LONGEST];
    static struct rules rules;
    static struct options options;
    static struct problems problems;
    size_t length = pick(2) ? mutation(bytes) : random_bytes(bytes, pick(50) ? 300 : LONGEST);
    char *exact = malloc(length + 1);
    if (!exact)
        return 1;
    memcpy(exact, bytes, length);
    exact[length] = 0;
    problems_start(&problems);
    options_parse(&options, (struct span){exact, length}, &problems);
    int failed = lines_are_whole(&problems) ? 0 : fail("torn lines", exact);
    if (options.mode > MODE_COIN || options.log > LOG_DEBUG || !memchr(options.exe, 0, OPTION_PATH) ||
        !memchr(options.stats, 0, OPTION_PATH) || !memchr(options.live, 0, OPTION_PATH) ||
        !memchr(options.log_file, 0, OPTION_PATH))
        failed += fail("half an option", exact);
    if ((options.mode == MODE_AB && (options.slice_ns < 20000000 || options.slice_ns > 3600000000000)) ||
        (options.mode == MODE_COIN && options.coin > 1000000000))
        failed += fail("half a mode", exact);
    problems_start(&problems);
    rules_parse(&rules, (struct span){exact, length}, pick(2), 4096, &problems);
    if (!is_whole(&rules) || problems.count > 1)
        failed += fail("half a rule", exact);
    if (!lines_are_whole(&problems))
        failed += fail("a rule's problem is not one clean line", problems.bytes);
    free(exact);
    return failed;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20240601;
    int failed = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    state = seed;
    for (int i = 0; i < STRINGS && failed < 10; i++)
        failed += i % 3 == 0 ? known_rules() : i % 3 == 1 ? known_options() : unknown();
    printf("%d strings, %d failed\n", STRINGS, failed);
    return failed != 0;
}
