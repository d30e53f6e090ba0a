#include "shim/statistics.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "scan/image.h"
#include "scan/prim.h"
#include "shim/live.h"
#include "shim/message.h"
#include "shim/quiet.h"
#include "shim/state.h"
#include "shim/statistics_format.h"

enum { REWRITE_SECONDS = 10 };

/* Guarded by lock; much too large for a coroutine's stack. */
static struct {
    int lock;
    bool failing; /* the file could not be written, and a line has said so */
    struct report report;
    char bytes[1 << 18]; /* rules and sites at their longest fill some of it; the rest is never touched */
    char path[OPTION_PATH + 96], temporary[OPTION_PATH + 128];
} state;

static uint64_t next_rewrite; /* seconds of CLOCK_MONOTONIC_COARSE */

void statistics_forget_lock(void)
{
    __atomic_store_n(&state.lock, 0, __ATOMIC_RELEASE);
}

static bool ends_with(const char *words, const char *ending)
{
    size_t length = strlen(words), tail = strlen(ending);
    return length >= tail && strcmp(words + length - tail, ending) == 0;
}

static bool is_stderr(const char *stats)
{
    return strcmp(stats, "stderr") == 0;
}

static void format(struct text *text)
{
    struct report *report = &state.report;
    report->pid = process.pid;
    report->exe = process.exe;
    report->mode = mode_name(process.options.mode);
    report->arm = arms_label();
    report->pairs = arms_pairs();
    report->cpu_ns = prim_cpu_now();
    report->rules = &process.rules;
    report->sites = sites_known();
    report->observed = process.options.mode == MODE_OBSERVE;
    counters_sum(&report->counters);
    report->kept = counters_kept(report->kept_by_rule, &report->kept_peak);
    text_start(text, state.bytes, sizeof state.bytes);
    if (ends_with(process.options.stats, ".json"))
        statistics_json(report, text);
    else if (ends_with(process.options.stats, ".prom"))
        statistics_openmetrics(report, text);
    else
        statistics_text(report, text);
}

static long write_all(int fd, const struct text *text)
{
    size_t done = 0;
    while (done < text->length) {
        long count = prim_write(fd, text->bytes + done, text->length - done);
        if (count <= 0)
            return count ? count : -5 /* EIO */;
        done += (size_t)count;
    }
    return 0;
}

/* Opens state.temporary, which is to become state.path. A descriptor or a negative errno. */
static long open_temporary(void)
{
    if (!statistics_path(process.options.stats, process.pid, process.exe, state.path, sizeof state.path))
        return -36 /* ENAMETOOLONG */;
    return quiet_create_for(state.path, process.pid, state.temporary, sizeof state.temporary);
}

/* A reader sees the old file or the new one, never half. */
static long replace_file(const struct text *text)
{
    long fd = open_temporary();
    if (prim_failed(fd))
        return fd;
    long error = write_all((int)fd, text);
    prim_close((int)fd);
    if (!error)
        error = prim_call3(SYS_rename, (long)state.temporary, (long)state.path, 0);
    if (error)
        prim_call3(SYS_unlink, (long)state.temporary, 0, 0);
    return error;
}

/* A fork child has a file of its own, or it would take its parent's place. */
static bool has_a_file(void)
{
    const char *stats = process.options.stats;
    return stats[0] && (!process.forks || is_stderr(stats) || strstr(stats, "%p"));
}

static void note_outcome(long error)
{
    if (error && !state.failing)
        message_failure(LOG_WARN, "cannot write the statistics", process.options.stats, error);
    state.failing = error != 0;
}

void statistics_try(void)
{
    if (!has_a_file() || is_stderr(process.options.stats))
        return;
    long fd = open_temporary();
    if (!prim_failed(fd)) {
        prim_close((int)fd);
        prim_call3(SYS_unlink, (long)state.temporary, 0, 0);
    }
    note_outcome(prim_failed(fd) ? fd : 0);
}

static __attribute__((noinline)) long write_locked(bool at_end)
{
    struct text text;
    struct quiet quiet;
    long error = 0;
    quiet_begin(&quiet);
    format(&text);
    if (!is_stderr(process.options.stats))
        error = replace_file(&text);
    else if (at_end)
        message_stderr(text.bytes, text.length);
    quiet_end(&quiet);
    return error;
}

void statistics_write(bool at_end)
{
    if (process.inert || process.sandboxed || !has_a_file() || state_is_unadopted_child() || !state_is_ours())
        return;
    uint64_t signals = prim_block_signals();
    if (!__atomic_exchange_n(&state.lock, 1, __ATOMIC_ACQUIRE)) {
        note_outcome(write_locked(at_end));
        __atomic_store_n(&state.lock, 0, __ATOMIC_RELEASE);
    }
    prim_restore_signals(signals);
}

void statistics_now_and_then(void)
{
    if (process.sandboxed)
        return;
    if (process.finished)
        statistics_write(false);
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now))
        return;
    uint64_t due = __atomic_load_n(&next_rewrite, __ATOMIC_RELAXED), seconds = (uint64_t)now.tv_sec;
    if (seconds < due || !__atomic_compare_exchange_n(&next_rewrite, &due, seconds + REWRITE_SECONDS, false,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    if (due == 0) /* the first call: nothing is due yet */
        return;
    statistics_write(false);
    live_describe(arms_label());
    image_sweep();
}
