/* Building short texts and reading words without stdio: for messages, statistics and settings. */
#ifndef SHIM_TEXT_H
#define SHIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A buffer being filled. What does not fit is left out, and full says so; the text is always terminated. */
struct text {
    char *bytes;
    size_t size, length;
    bool full;
};

void text_start(struct text *text, char *bytes, size_t size);
void text_add(struct text *text, const char *words);
void text_add_span(struct text *text, const char *bytes, size_t length);
void text_add_number(struct text *text, uint64_t number);
/* Adds number / 10^places with all its places: 1.250 for 1250 with 3. */
void text_add_decimal(struct text *text, uint64_t number, unsigned places);

void text_add_hex(struct text *text, uint64_t number);

/* An errno's name (ENOTTY) or its number. Takes it positive or negative. */
void text_add_errno(struct text *text, long error);

/* Words between quotes, as JSON and OpenMetrics both want them. Control bytes and what is no UTF-8 become ?.
 */
void text_add_quoted(struct text *text, const char *words);

/* A span of settings: not terminated. */
struct span {
    const char *start;
    size_t length;
};

struct span span_of(const char *words); /* NULL gives an empty one */
bool span_is(struct span span, const char *word);
struct span span_trim(struct span span);

/* Splits off the part before the first separator that no backslash protects (a newline cannot be protected);
   *rest is what follows it.
   Returns false when *rest is empty at the start. */
bool span_next(struct span *rest, char separator, struct span *part);

/* Reads "64K": digits and at most one of K, M, G, T in either case, as bytes. False: not a size, or over
   64 bits. */
bool span_size(struct span span, uint64_t *bytes);
#define NOT_A_SIZE "not a size such as 64K, 4M or 1G" /* what to say then */

/* Reads "250ms" or "2s", as nanoseconds. */
bool span_duration(struct span span, uint64_t *ns);

/* Reads "0", "1" or "0.25", a number from 0 to 1 with at most nine places, as billionths. */
bool span_probability(struct span span, uint32_t *billionths);

/* Reads hexadecimal digits, with or without 0x. */
bool span_hex(struct span span, uint64_t *number);

/* Copies without the backslashes that protect a comma, a semicolon or a backslash. Returns the length, or -1
   when it does not fit with a terminator. */
long span_unescape(struct span span, char *to, size_t size);

#endif
