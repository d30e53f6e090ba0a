#include "test/unit/unit.h"

#include <errno.h>

Test(text, adds)
{
    char bytes[64];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    text_add(&text, "a ");
    text_add_number(&text, UINT64_MAX);
    text_add(&text, " ");
    text_add_hex(&text, 0xdeadbeef);
    text_add(&text, " ");
    text_add_number(&text, 0);
    text_add_span(&text, "xyz", 2);
    cr_assert_str_eq(bytes, "a 18446744073709551615 deadbeef 0xy");
    cr_assert_eq(text.length, strlen(bytes));
    cr_assert_not(text.full);
}

Test(text, decimals)
{
    char bytes[64];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    text_add_decimal(&text, 1250, 3);
    text_add(&text, " ");
    text_add_decimal(&text, 7, 6);
    text_add(&text, " ");
    text_add_decimal(&text, UINT32_MAX, 6);
    text_add(&text, " ");
    text_add_decimal(&text, 969, 1);
    cr_assert_str_eq(bytes, "1.250 0.000007 4294.967295 96.9");
}

Test(text, stays_within_its_size)
{
    for (size_t size = 0; size < 8; size++) {
        char bytes[10];
        struct text text;
        memset(bytes, '#', sizeof bytes);
        text_start(&text, bytes, size);
        text_add(&text, "abcdefg");
        cr_assert_eq(bytes[size], '#');
        cr_assert_eq(text.full, size < 8);
        cr_assert_eq(text.length, size ? size - 1 : 0);
        if (size)
            cr_assert_eq(bytes[text.length], 0);
    }
}

Test(text, names_errors)
{
    char bytes[64];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    text_add_errno(&text, -ENOTTY);
    text_add(&text, ",");
    text_add_errno(&text, EPERM);
    text_add(&text, ",");
    text_add_errno(&text, -1234);
    cr_assert_str_eq(bytes, "ENOTTY,EPERM,error 1234");
}

Test(span, is_a_word)
{
    cr_assert(span_is(span_of("on"), "on"));
    cr_assert_not(span_is(span_of("one"), "on"));
    cr_assert_not(span_is(span_of("o"), "on"));
    cr_assert(span_is(span_of(""), ""));
    cr_assert_not(span_is(span_of("ON"), "on"));
}

Test(span, is_trimmed)
{
    struct span span = span_trim(span_of(" \t\r\n a b \n"));
    cr_assert(span_is(span, "a b"));
    cr_assert_eq(span_trim(span_of(" \t ")).length, 0);
    cr_assert_eq(span_trim(span_of("")).length, 0);
}

Test(span, is_split_at_separators)
{
    struct span rest = span_of("a,,b\\,c,"), part;
    cr_assert(span_next(&rest, ',', &part) && span_is(part, "a"));
    cr_assert(span_next(&rest, ',', &part) && span_is(part, ""));
    cr_assert(span_next(&rest, ',', &part) && span_is(part, "b\\,c"));
    cr_assert_not(span_next(&rest, ',', &part));
}

Test(span, ends_in_a_backslash)
{
    struct span rest = span_of("a\\"), part;
    cr_assert(span_next(&rest, ',', &part) && span_is(part, "a\\"));
    cr_assert_not(span_next(&rest, ',', &part));
    rest = span_of("a\\\\,b");
    cr_assert(span_next(&rest, ',', &part) && span_is(part, "a\\\\"));
    cr_assert(span_next(&rest, ',', &part) && span_is(part, "b"));
}

Test(span, sizes)
{
    static const struct {
        const char *words;
        bool good;
        uint64_t bytes;
    } rows[] = {
        {"0", true, 0},
        {"1", true, 1},
        {"64K", true, 65536},
        {"64k", true, 65536},
        {"4M", true, 4 << 20},
        {"3g", true, 3ULL << 30},
        {"2T", true, 2ULL << 40},
        {"0T", true, 0},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"16777215T", true, 16777215ULL << 40},
        {"18014398509481983K", true, 18014398509481983ULL << 10},
        {"18446744073709551616", false, 0},
        {"18446744073709551619", false, 0},
        {"99999999999999999999999999", false, 0},
        {"16777216T", false, 0},
        {"18014398509481984K", false, 0},
        {"", false, 0},
        {"K", false, 0},
        {"4MB", false, 0},
        {"4KK", false, 0},
        {"12Q", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 K", false, 0},
        {"1.5M", false, 0},
        {"0x10", false, 0},
        {"1e3", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t bytes = 12345;
        cr_assert_eq(span_size(span_of(rows[i].words), &bytes), rows[i].good, "%s", rows[i].words);
        cr_assert_eq(bytes, rows[i].good ? rows[i].bytes : 12345, "%s", rows[i].words);
    }
}

Test(span, durations)
{
    static const struct {
        const char *words;
        uint64_t ns; /* 0: not one */
    } rows[] = {
        {"250ms", 250000000},
        {"2s", 2000000000},
        {"18446744073s", 18446744073000000000ULL},
        {"18446744074s", 0},
        {"s", 0},
        {"ms", 0},
        {"1", 0},
        {"1m", 0},
        {"1Ks", 0},
        {"1Kms", 0},
        {"", 0},
        {"1 s", 0},
        {"-1s", 0},
        {"1us", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t ns = 0;
        cr_assert_eq(span_duration(span_of(rows[i].words), &ns), rows[i].ns != 0, "%s", rows[i].words);
        cr_assert(rows[i].ns == 0 || ns == rows[i].ns, "%s", rows[i].words);
    }
}

Test(span, probabilities)
{
    static const struct {
        const char *words;
        uint32_t billionths;
    } good[] = {{"0", 0},
                {"1", 1000000000},
                {"0.5", 500000000},
                {"0.25", 250000000},
                {"1.0", 1000000000},
                {"0.000000001", 1},
                {"0.999999999", 999999999},
                {"0.0", 0}};
    static const char *const bad[] = {"",    ".5", "1.1",  "2",   "0.",  "-0.5",         "5%",
                                      "0,5", "00", "0.5 ", "0x1", "1e0", "0.0000000001", "1.000000001"};
    uint32_t billionths;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_assert(span_probability(span_of(good[i].words), &billionths), "%s", good[i].words);
        cr_assert_eq(billionths, good[i].billionths, "%s", good[i].words);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(span_probability(span_of(bad[i]), &billionths), "%s", bad[i]);
}

Test(span, hexadecimal)
{
    uint64_t number;
    cr_assert(span_hex(span_of("0x7fFf"), &number) && number == 0x7fff);
    cr_assert(span_hex(span_of("0XaB"), &number) && number == 0xab);
    cr_assert(span_hex(span_of("ffffffffffffffff"), &number) && number == UINT64_MAX);
    cr_assert_not(span_hex(span_of("10000000000000000"), &number));
    cr_assert_not(span_hex(span_of(""), &number));
    cr_assert_not(span_hex(span_of("0x"), &number));
    cr_assert_not(span_hex(span_of("g"), &number));
    cr_assert_not(span_hex(span_of("-1"), &number));
    cr_assert_not(span_hex(span_of("1 "), &number));
}

Test(span, unescape)
{
    char to[16];
    cr_assert_eq(span_unescape(span_of("a\\,b\\;c\\\\d"), to, sizeof to), 7);
    cr_assert_str_eq(to, "a,b;c\\d");
    /* Others stay: a glob has escapes of its own. */
    cr_assert_eq(span_unescape(span_of("\\*\\"), to, sizeof to), 3);
    cr_assert_str_eq(to, "\\*\\");
    cr_assert_eq(span_unescape(span_of(""), to, sizeof to), 0);
    cr_assert_str_eq(to, "");
    cr_assert_eq(span_unescape(span_of("123456789012345"), to, sizeof to), 15);
    cr_assert_eq(span_unescape(span_of("1234567890123456"), to, sizeof to), -1);
    cr_assert_eq(span_unescape(span_of("\\,\\,\\,"), to, 3), -1);
    cr_assert_eq(span_unescape(span_of(""), to, 0), -1);
}
