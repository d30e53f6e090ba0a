/* The library's own copies of libc's byte and string functions, hidden: the host's vector registers are live
   on the call path, libc's copies use them, and a sanitizer may have replaced those. The compiler's own calls
   to memcpy and memset come here too. An empty asm in each loop keeps it from seeing in it the very function
   that it is. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A sanitizer's runtime may call these before it is ready itself. */
#define PLAIN __attribute__((no_sanitize("address"), no_sanitize("undefined"), no_sanitize("thread")))

#define KEEP_LOOP() __asm__ volatile("")

/* Up to here word by word: rep movsb takes some 20 ns to begin. */
enum { SHORT = 512 };

typedef uint64_t word __attribute__((may_alias, aligned(1)));

PLAIN void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    char *at = to;
    const char *source = from;
    if (length > SHORT) {
        __asm__ volatile("rep movsb" : "+D"(at), "+S"(source), "+c"(length) : : "memory");
        return to;
    }
    for (; length >= sizeof(word); length -= sizeof(word), at += sizeof(word), source += sizeof(word)) {
        KEEP_LOOP();
        *(word *)at = *(const word *)source;
    }
    for (; length; length--) {
        KEEP_LOOP();
        *at++ = *source++;
    }
    return to;
}

PLAIN void *memmove(void *to, const void *from, size_t length)
{
    char *at = to;
    const char *source = from;
    if ((uintptr_t)to - (uintptr_t)from >= length)
        return memcpy(to, from, length);
    while (length--) {
        KEEP_LOOP();
        at[length] = source[length];
    }
    return to;
}

PLAIN void *memset(void *to, int byte, size_t length)
{
    char *at = to;
    word fill = 0x0101010101010101ULL * (unsigned char)byte;
    if (length > SHORT) {
        __asm__ volatile("rep stosb" : "+D"(at), "+c"(length) : "a"(byte) : "memory");
        return to;
    }
    for (; length >= sizeof(word); length -= sizeof(word), at += sizeof(word)) {
        KEEP_LOOP();
        *(word *)at = fill;
    }
    for (; length; length--) {
        KEEP_LOOP();
        *at++ = (char)byte;
    }
    return to;
}

PLAIN int memcmp(const void *one, const void *other, size_t length)
{
    const unsigned char *a = one, *b = other;
    for (; length >= sizeof(word) && *(const word *)a == *(const word *)b; length -= sizeof(word)) {
        KEEP_LOOP();
        a += sizeof(word);
        b += sizeof(word);
    }
    for (; length; length--, a++, b++) {
        KEEP_LOOP();
        if (*a != *b)
            return *a - *b;
    }
    return 0;
}

PLAIN size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length]) {
        KEEP_LOOP();
        length++;
    }
    return length;
}

PLAIN int strncmp(const char *one, const char *other, size_t most)
{
    for (; most; most--, one++, other++) {
        KEEP_LOOP();
        if (*one != *other || !*one)
            return (unsigned char)*one - (unsigned char)*other;
    }
    return 0;
}

PLAIN int strcmp(const char *one, const char *other)
{
    return strncmp(one, other, PTRDIFF_MAX);
}

PLAIN char *strchr(const char *text, int byte)
{
    for (;; text++) {
        KEEP_LOOP();
        if (*text == (char)byte)
            return (char *)(uintptr_t)text;
        if (!*text)
            return NULL;
    }
}

PLAIN char *strrchr(const char *text, int byte)
{
    char *found = NULL;
    for (;; text++) {
        KEEP_LOOP();
        if (*text == (char)byte)
            found = (char *)(uintptr_t)text;
        if (!*text)
            return found;
    }
}

PLAIN char *strstr(const char *text, const char *wanted)
{
    size_t length = strlen(wanted);
    for (; *text; text++)
        if (strncmp(text, wanted, length) == 0)
            return (char *)text;
    return length ? NULL : (char *)text;
}
