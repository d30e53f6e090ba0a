#include "shim/text.h"

#include <errno.h>
#include <string.h>

void text_start(struct text *text, char *bytes, size_t size)
{
    *text = (struct text){bytes, size, 0, false};
    if (size)
        bytes[0] = 0;
}

void text_add_span(struct text *text, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text->length + 1 >= text->size) {
            text->full = true;
            return;
        }
        text->bytes[text->length++] = bytes[i];
        text->bytes[text->length] = 0;
    }
}

void text_add(struct text *text, const char *words)
{
    text_add_span(text, words, strlen(words));
}

static void add_digits(struct text *text, uint64_t number, unsigned base)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = "0123456789abcdef"[number % base];
    while (number /= base);
    text_add_span(text, digits + at, sizeof digits - at);
}

void text_add_number(struct text *text, uint64_t number)
{
    add_digits(text, number, 10);
}

void text_add_decimal(struct text *text, uint64_t number, unsigned places)
{
    uint64_t whole = 1;
    for (unsigned i = 0; i < places; i++)
        whole *= 10;
    text_add_number(text, number / whole);
    text_add(text, ".");
    for (whole /= 10; whole; whole /= 10)
        text_add_number(text, number / whole % 10);
}

void text_add_hex(struct text *text, uint64_t number)
{
    add_digits(text, number, 16);
}

void text_add_errno(struct text *text, long error)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{EACCES, "EACCES"}, {EBADF, "EBADF"},   {EEXIST, "EEXIST"},  {EFBIG, "EFBIG"},
                 {EFAULT, "EFAULT"}, {EINVAL, "EINVAL"}, {EIO, "EIO"},        {EMFILE, "EMFILE"},
                 {ENFILE, "ENFILE"}, {ENOENT, "ENOENT"}, {ENOMEM, "ENOMEM"},  {ENOSPC, "ENOSPC"},
                 {ENOSYS, "ENOSYS"}, {ENOTTY, "ENOTTY"}, {EPERM, "EPERM"},    {EROFS, "EROFS"},
                 {EDQUOT, "EDQUOT"}, {EISDIR, "EISDIR"}, {ENOTDIR, "ENOTDIR"}};
    if (error < 0)
        error = -error;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == error) {
            text_add(text, names[i].name);
            return;
        }
    text_add(text, "error ");
    text_add_number(text, (uint64_t)error);
}

/* The length of the UTF-8 character at bytes, or 0 when there is none. The bytes are terminated. */
static size_t character_length(const unsigned char *bytes)
{
    static const unsigned char first_of[] = {0, 0, 0xc2, 0xe0, 0xf0};
    size_t length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    if (bytes[0] > 0xf4 || (length > 1 && bytes[0] < first_of[length]))
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xf0 && bytes[1] < 0x90);
    bool outside = (bytes[0] == 0xed && bytes[1] >= 0xa0) || (bytes[0] == 0xf4 && bytes[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

void text_add_quoted(struct text *text, const char *words)
{
    text_add(text, "\"");
    while (*words) {
        size_t length = character_length((const unsigned char *)words);
        bool plain = length && (unsigned char)*words >= ' ' && *words != 127;
        if (*words == '"' || *words == '\\')
            text_add(text, "\\");
        text_add_span(text, plain ? words : "?", plain ? length : 1);
        words += length ? length : 1;
    }
    text_add(text, "\"");
}

struct span span_of(const char *words)
{
    return (struct span){words, words ? strlen(words) : 0};
}

bool span_is(struct span span, const char *word)
{
    return strlen(word) == span.length && memcmp(span.start, word, span.length) == 0;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

struct span span_trim(struct span span)
{
    while (span.length && is_blank(*span.start)) {
        span.start++;
        span.length--;
    }
    while (span.length && is_blank(span.start[span.length - 1]))
        span.length--;
    return span;
}

bool span_next(struct span *rest, char separator, struct span *part)
{
    if (!rest->length)
        return false;
    bool escapes = separator != '\n';
    size_t at = 0;
    while (at < rest->length && rest->start[at] != separator)
        at += escapes && rest->start[at] == '\\' && at + 1 < rest->length ? 2 : 1;
    *part = (struct span){rest->start, at};
    size_t used = at < rest->length ? at + 1 : at;
    rest->start += used;
    rest->length -= used;
    return true;
}

static unsigned unit_shift(char unit)
{
    switch (unit) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    case 't':
    case 'T':
        return 40;
    default:
        return 0;
    }
}

bool span_size(struct span span, uint64_t *bytes)
{
    uint64_t number = 0;
    size_t at = 0;
    for (; at < span.length && span.start[at] >= '0' && span.start[at] <= '9'; at++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(span.start[at] - '0'), &number))
            return false;
    unsigned shift = at + 1 == span.length ? unit_shift(span.start[at]) : 0;
    if (at == 0 || (at != span.length && !shift) || number > UINT64_MAX >> shift)
        return false;
    *bytes = number << shift;
    return true;
}

bool span_duration(struct span span, uint64_t *ns)
{
    bool milliseconds = span.length > 2 && span.start[span.length - 2] == 'm';
    size_t unit = milliseconds ? 2 : 1;
    if (span.length <= unit || span.start[span.length - 1] != 's')
        return false;
    char last = span.start[span.length - unit - 1];
    struct span digits = {span.start, span.length - unit};
    return last >= '0' && last <= '9' && span_size(digits, ns) &&
           !__builtin_mul_overflow(*ns, milliseconds ? 1000000 : 1000000000, ns);
}

bool span_probability(struct span span, uint32_t *billionths)
{
    uint64_t number = 0;
    uint32_t place = 1000000000;
    for (size_t i = 0; i < span.length; i++) {
        if (i == 1 && span.start[i] == '.' && span.length > 2)
            continue;
        if (span.start[i] < '0' || span.start[i] > '9' || place == 0 || i == 1)
            return false;
        number += (uint64_t)(span.start[i] - '0') * place;
        place /= 10;
    }
    *billionths = (uint32_t)number;
    return span.length > 0 && number <= 1000000000;
}

bool span_hex(struct span span, uint64_t *number)
{
    if (span.length > 2 && span.start[0] == '0' && (span.start[1] == 'x' || span.start[1] == 'X')) {
        span.start += 2;
        span.length -= 2;
    }
    *number = 0;
    for (size_t i = 0; i < span.length; i++) {
        char byte = span.start[i];
        int digit = byte >= '0' && byte <= '9'   ? byte - '0'
                    : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                    : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                                 : -1;
        if (digit < 0 || i == 16)
            return false;
        *number = *number << 4 | (unsigned)digit;
    }
    return span.length > 0;
}

long span_unescape(struct span span, char *to, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < span.length; i++) {
        bool escape = span.start[i] == '\\' && i + 1 < span.length && strchr(",;\\", span.start[i + 1]);
        if (escape)
            i++;
        if (length + 1 >= size)
            return -1;
        to[length++] = span.start[i];
    }
    if (length >= size)
        return -1;
    to[length] = 0;
    return (long)length;
}
