/* See totals.h. The scanner knows just enough JSON: strings, nesting, and numbers after a key. */
#include "totals.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH 8

static const char *const names[] = {
#define REASON(name, text) #name,
    REASONS(REASON)
#undef REASON
};

const char *reason_name(unsigned reason)
{
    return names[reason];
}

struct scanner {
    unsigned depth;
    char keys[DEPTH][48];
};

static void take_number(struct totals *one, const struct scanner *scanner, unsigned long value)
{
    const char *key = scanner->depth < DEPTH ? scanner->keys[scanner->depth] : "";
    if (scanner->depth == 1) {
        if (strcmp(key, "calls") == 0)
            one->calls = value;
        else if (strcmp(key, "served") == 0)
            one->served = value;
        else if (strcmp(key, "forwarded") == 0)
            one->forwarded = value;
        else if (strcmp(key, "verify_differences") == 0)
            one->verify_differences = value;
    } else if (scanner->depth == 2 && strcmp(scanner->keys[1], "declined") == 0) {
        for (unsigned i = 0; i < REASON_COUNT; i++)
            if (strcmp(key, names[i]) == 0)
                one->declined[i] = value;
    }
}

/* The string that begins at the quote `at`: kept as the key at this depth; returns its closing quote. */
static const char *take_string(struct scanner *scanner, const char *at)
{
    char text[48];
    size_t length = 0;
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1])
            at++;
        if (length + 1 < sizeof text)
            text[length++] = *at;
    }
    text[length] = 0;
    const char *next = at + (*at != 0);
    while (*next == ' ' || *next == '\n' || *next == '\t')
        next++;
    if (*next == ':' && scanner->depth < DEPTH)
        memcpy(scanner->keys[scanner->depth], text, sizeof text);
    return at;
}

void totals_add_text(struct totals *totals, const char *text)
{
    struct totals one = {.processes = 1};
    struct scanner scanner = {.depth = 0};
    for (const char *at = text; *at; at++) {
        if (*at == '"') {
            at = take_string(&scanner, at);
            if (!*at)
                break;
        } else if (*at == '{' || *at == '[') {
            scanner.depth++;
            if (scanner.depth < DEPTH)
                scanner.keys[scanner.depth][0] = 0;
        } else if ((*at == '}' || *at == ']') && scanner.depth > 0) {
            scanner.depth--;
        } else if (*at >= '0' && *at <= '9') {
            char *end;
            take_number(&one, &scanner, strtoul(at, &end, 10));
            at = end - 1;
        }
    }
    one.unbalanced = one.calls != one.served + one.forwarded;
    totals_add(totals, &one);
}

void totals_add(struct totals *totals, const struct totals *more)
{
    totals->processes += more->processes;
    totals->calls += more->calls;
    totals->served += more->served;
    totals->forwarded += more->forwarded;
    totals->verify_differences += more->verify_differences;
    totals->unbalanced += more->unbalanced;
    for (unsigned i = 0; i < REASON_COUNT; i++)
        totals->declined[i] += more->declined[i];
}

static void add_file(struct totals *totals, const char *path)
{
    static char text[64 << 10];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    if (length > 0) {
        text[length] = 0;
        totals_add_text(totals, text);
    }
}

void totals_add_folder(struct totals *totals, const char *path)
{
    char name[512];
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        size_t length = strlen(entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0)
            add_file(totals, name);
        unlink(name);
    }
    if (folder)
        closedir(folder);
}
