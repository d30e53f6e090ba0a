#include "shim/live.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "scan/prim.h"
#include "shim/message.h"
#include "shim/pairs.h"
#include "shim/quiet.h"
#include "shim/state.h"
#include "shim/statistics_format.h"

#define LIVE_SIZE (LIVE_HEADER + COUNTER_BLOCKS * (long)sizeof(struct counters))

/* Written before main, in a fork child, and by whoever rewrites the statistics: a torn page heals. The switch
   lies behind it. */
static char header[LIVE_SWITCH];

static void describe_layout(struct text *text)
{
    text_add(text, "blocks ");
    text_add_number(text, COUNTER_BLOCKS);
    text_add(text, " ");
    text_add_number(text, LIVE_HEADER);
    text_add(text, " ");
    text_add_number(text, sizeof(struct counters) / sizeof(uint64_t));
    text_add(text, "\ncounters");
    for (enum counter counter = 0; counter < COUNTER_COUNT; counter++) {
        text_add(text, " ");
        text_add(text, counter_name(counter));
    }
    text_add(text, "\ndeclined");
    for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
        text_add(text, " ");
        text_add(text, reason_name(reason));
    }
}

void live_describe(const char *arm)
{
    struct text text;
    if (process.live < 0)
        return;
    text_start(&text, header, sizeof header);
    text_add(&text, LIVE_FIRST_LINE "pid ");
    text_add_number(&text, (uint64_t)process.pid);
    text_add(&text, "\nexe ");
    text_add(&text, process.exe);
    text_add(&text, "\nmode ");
    text_add(&text, mode_name(process.options.mode));
    text_add(&text, "\narm ");
    text_add(&text, arm);
    text_add(&text, "\n");
    describe_layout(&text);
    text_add(&text, "\nrules ");
    text_add_number(&text, process.rules.count);
    for (unsigned i = 0; i < process.rules.count; i++) {
        text_add(&text, "\nrule ");
        size_t length = strlen(process.rules.rule[i].text);
        text_add_span(&text, process.rules.rule[i].text, length < LIVE_RULE_SHOWN ? length : LIVE_RULE_SHOWN);
    }
    text_add(&text, "\n");
    prim_pwrite(process.live, header, text.length, 0);
}

static long create(const char *path)
{
    char temporary[OPTION_PATH + 128];
    long fd = quiet_create_for(path, process.pid, temporary, sizeof temporary);
    if (prim_failed(fd))
        return fd;
    /* A full disk is better met here than later. */
    long error = prim_call6(SYS_fallocate, fd, 0, 0, LIVE_SIZE, 0, 0);
    if (error == 0 || error == -EOPNOTSUPP || error == -ENOSYS)
        error = prim_call3(SYS_rename, (long)temporary, (long)path, 0);
    if (!error)
        return scan_file_raise((int)fd);
    prim_call3(SYS_unlink, (long)temporary, 0, 0);
    prim_close((int)fd);
    return error;
}

void live_note_uncounted(int fd)
{
    char beginning[sizeof LIVE_FIRST_LINE - 1];
    struct quiet quiet;
    if (fd < 0)
        return;
    quiet_begin(&quiet);
    if (prim_pread(fd, beginning, sizeof beginning, 0) == sizeof beginning &&
        memcmp(beginning, LIVE_FIRST_LINE, sizeof beginning) == 0)
        prim_pwrite(fd, "1", 1, LIVE_UNCOUNTED);
    quiet_end(&quiet);
}

void live_open(bool is_fork_child, const char *arm)
{
    char path[OPTION_PATH + 96];
    const char *pattern = process.options.live;
    struct quiet quiet;
    process.live = -1;
    if (!pattern[0] || (is_fork_child && !strstr(pattern, "%p")))
        return;
    quiet_begin(&quiet);
    bool fits = statistics_path(pattern, process.pid, process.exe, path, sizeof path);
    long fd = fits ? create(path) : -ENAMETOOLONG;
    process.live = prim_failed(fd) ? -1 : (int)fd;
    live_describe(arm);
    quiet_end(&quiet);
    if (prim_failed(fd))
        message_failure(LOG_WARN, "no live file", pattern, fd);
}

void live_limit(uint64_t bytes)
{
    if (bytes < (uint64_t)LIVE_SIZE && process.live >= 0 && state_is_ours()) {
        process.live = -1;
        message_failure(LOG_INFO, "no live file any more", process.options.live, EFBIG);
    }
}

void live_show_pairs(const struct pairs *pairs)
{
    static char bytes[LIVE_HEADER - LIVE_PAIRS];
    struct text text;
    if (process.live < 0)
        return;
    text_start(&text, bytes, sizeof bytes);
    pairs_json(pairs, &text);
    prim_pwrite(process.live, bytes, text.length + 1, LIVE_PAIRS);
}

bool live_publish(void)
{
    /* A vfork child may have put a file of its own at the number. */
    if (process.live < 0 || process.sandboxed || !state_is_ours())
        return false;
    const struct counters *block;
    unsigned index = counters_block(&block);
    long error =
        prim_pwrite(process.live, block, sizeof *block, LIVE_HEADER + (int64_t)(index * sizeof *block));
    if (prim_failed(error)) {
        process.live = -1;
        message_failure(LOG_INFO, "no live file any more", process.options.live, error);
        return false;
    }
    return true;
}
