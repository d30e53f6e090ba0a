/* Start-up: reads the settings, asks whether this kernel can serve, and sets the process's state. Once,
   before main. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "scan/costs.h"
#include "scan/pagemap.h"
#include "scan/prim.h"
#include "scan/vma.h"
#include "scan/stores.h"
#include "shim/arms.h"
#include "shim/glob.h"
#include "shim/hooking.h"
#include "shim/keeping.h"
#include "shim/live.h"
#include "shim/message.h"
#include "shim/next.h"
#include "shim/probe.h"
#include "shim/state.h"
#include "shim/statistics.h"

enum { STATUS_FAILURE = 125 };

static struct problems problems;

static void find_exe(char *name, size_t size)
{
    char path[512];
    long length = process.sandboxed
                      ? -1
                      : prim_call3(SYS_readlink, (long)"/proc/self/exe", (long)path, sizeof path - 1);
    path[prim_failed(length) ? 0 : length] = 0;
    const char *from = prim_failed(length) ? program_invocation_short_name : path;
    const char *slash = strrchr(from, '/');
    struct text text;
    text_start(&text, name, size);
    text_add(&text, slash ? slash + 1 : from);
}

/* Reads the rules of @FILE. Returns false when it cannot be read. */
static bool read_rules_file(const char *path, char *bytes, size_t size, struct span *settings)
{
    /* O_NONBLOCK: a FIFO would wait for a writer. */
    long fd = prim_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (prim_failed(fd))
        return false;
    struct stat status;
    if (prim_fstat((int)fd, &status) || !S_ISREG(status.st_mode)) {
        prim_close((int)fd);
        return false;
    }
    size_t length = 0;
    long count;
    while (length < size && (count = prim_read((int)fd, bytes + length, size - length)) > 0)
        length += (size_t)count;
    prim_close((int)fd);
    *settings = (struct span){bytes, length};
    return !prim_failed(count) && length < size;
}

static void parse_rules(const char *regions)
{
    static char file[2 * RULES_TEXT];
    struct span settings = span_of(regions);
    bool lines = regions && regions[0] == '@';
    if (lines && !read_rules_file(regions + 1, file, sizeof file, &settings)) {
        problems_add(&problems, "KEEPWARM_REGIONS", span_of(regions),
                     "a file that cannot be read, or longer than 16 KiB; no rules");
        return;
    }
    rules_parse(&process.rules, settings, lines, process.options.keep, &problems);
}

static void end_strictly(const char *line, size_t length)
{
    message_stderr(line, length);
    prim_call3(SYS_exit_group, STATUS_FAILURE, 0, 0);
}

static void print_problems(void)
{
    if (!problems.count)
        return;
    const char *lines = problems.bytes;
    if (process.options.strict) {
        const char *end = strchr(lines, '\n');
        end_strictly(lines, end ? (size_t)(end - lines) + 1 : strlen(lines));
    }
    if (process.options.log >= LOG_WARN)
        message_stderr(lines, problems.lines.length);
}

static void print_help(void)
{
    static char bytes[4096];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    options_help(&text);
    message_stderr(bytes, text.length);
}

static void be_inert(void)
{
    process.inert = true;
    __atomic_store_n(&process.standing, REASON_off, __ATOMIC_RELEASE);
}

/* The process lives on without us, or, under strict, ends here. */
static void cannot_serve(enum reason reason, const char *why)
{
    if (process.options.strict) {
        char bytes[200];
        struct text text;
        text_start(&text, bytes, sizeof bytes);
        text_add(&text, "keepwarm: cannot serve: ");
        text_add(&text, why);
        text_add(&text, "\n");
        end_strictly(bytes, text.length);
    }
    state_stand_down(reason, why);
}

/* A page that a fork child finds zeroed costs a load a call; pthread_atfork would miss a raw clone. */
static bool make_fork_mark(void)
{
    long page = prim_mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (prim_failed(page))
        return false;
    count(COUNTER_real_calls, 1);
    if (prim_madvise((uintptr_t)page, PAGE, MADV_WIPEONFORK) != 0) {
        prim_munmap((uintptr_t)page, PAGE);
        return false;
    }
    uint32_t *mark = (uint32_t *)page;
    *mark = FORK_MARK_SET;
    __atomic_store_n(&process.fork_mark, mark, __ATOMIC_RELEASE);
    return true;
}

/* What a scan writes it takes for undefined, msync for a reader of the range, and our counters for races. */
static bool is_under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded && strstr(preloaded, "/vgpreload_core");
}

static void begin_serving(bool filtered)
{
    if (process.options.mode == MODE_OFF) {
        __atomic_store_n(&process.standing, REASON_off, __ATOMIC_RELEASE);
        return;
    }
    if (!make_fork_mark()) {
        cannot_serve(REASON_no_pagemap, "madvise(MADV_WIPEONFORK) is refused");
        return;
    }
    if (is_under_valgrind()) {
        cannot_serve(REASON_valgrind, "valgrind runs the program");
        return;
    }
    if (filtered && !probe_child_survives(probe_resets)) {
        cannot_serve(REASON_seccomp, "the seccomp filter kills what a reset needs");
        return;
    }
    struct probe_result found = probe_kernel(&process.files, filtered);
    process.procmap = found.procmap;
    if (found.reason != REASON_COUNT) {
        cannot_serve(found.reason, found.why);
        return;
    }
    keeping_watch_memory();
    stores_start();
    costs_measure(process.files.pagemap, &process.costs);
    /* Unless an earlier constructor did something that forbids it. */
    uint32_t not_ready = REASON_not_ready;
    __atomic_compare_exchange_n(&process.standing, &not_ready, REASON_COUNT, false, __ATOMIC_ACQ_REL,
                                __ATOMIC_RELAXED);
}

/* Also the last of the at_quick_exit handlers, as it is registered first. */
static __attribute__((destructor)) void finish(void)
{
    process.finished = true;
    statistics_write(true);
}

static void start_up(void)
{
    next_resolve();
    const char *settings = getenv("KEEPWARM"), *regions = getenv("KEEPWARM_REGIONS");
    bool given = regions && regions[0];
    bool wanted = given || (settings && (strstr(settings, "help") || strstr(settings, "observe")));
    /* A setuid program must not write files that its caller named. */
    if (!wanted || getauxval(AT_SECURE)) {
        be_inert();
        return;
    }
    /* A filter that is there already may kill for any call that this start-up makes. */
    bool filtered = probe_is_filtered();
    process.sandboxed = filtered && !probe_child_survives(probe_files);
    find_exe(process.exe, sizeof process.exe);
    problems_start(&problems);
    options_parse(&process.options, span_of(settings), &problems);
    message_start(process.options.log, process.options.log_file);
    if (!glob_matches(process.options.exe, process.exe)) {
        be_inert();
        return;
    }
    parse_rules(!given && process.options.mode == MODE_OBSERVE ? "any" : regions);
    print_problems();
    if (process.options.help)
        print_help();
    if (!process.rules.count) {
        be_inert();
        return;
    }
    if (process.sandboxed) {
        cannot_serve(REASON_seccomp, "the seccomp filter kills what keepwarm needs");
    } else {
        process.pid = prim_getpid();
        keeping_start(&process.options);
        begin_serving(filtered);
        arms_start();
        hooking_start(filtered);
        live_open(false, arms_label());
        statistics_try();
        at_quick_exit(finish);
    }
    message_main_began();
}

static __attribute__((constructor)) void start(void)
{
    int saved = errno; /* main finds it 0: C says so, and loading the hooks sets it */
    start_up();
    errno = saved;
}
