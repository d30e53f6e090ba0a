#include "shim/message.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>

#include "scan/prim.h"

enum { LINES_MAX = 100 };

static struct {
    enum log_level level;
    const char *log_file;
    bool main_began;
    uint32_t lines;
} state = {LOG_WARN, "", false, 0};

void message_start(enum log_level level, const char *log_file)
{
    state.level = level;
    state.log_file = log_file;
}

void message_main_began(void)
{
    state.main_began = true;
}

void message_stderr(const char *bytes, size_t length)
{
    const uint64_t pipe_signal = 1ULL << (SIGPIPE - 1);
    uint64_t old = 0, pending = 0;
    struct timespec at_once = {0, 0};
    prim_call6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&pipe_signal, (long)&old, sizeof old, 0, 0);
    prim_call6(SYS_rt_sigpending, (long)&pending, sizeof pending, 0, 0, 0, 0);
    long written = prim_write(2, bytes, length);
    /* Take back the signal that this write raised, not one that was there before. */
    if (written == -EPIPE && !(pending & pipe_signal))
        prim_call6(SYS_rt_sigtimedwait, (long)&pipe_signal, 0, (long)&at_once, sizeof old, 0, 0);
    prim_restore_signals(old);
}

static void write_log_file(const char *bytes, size_t length)
{
    long fd = prim_open(state.log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    if (prim_failed(fd))
        return;
    prim_write((int)fd, bytes, length);
    prim_close((int)fd);
}

void message(enum log_level level, ...)
{
    bool to_file = state.log_file[0];
    if (level > state.level || (state.main_began && !to_file))
        return;
    if (state.main_began && __atomic_add_fetch(&state.lines, 1, __ATOMIC_RELAXED) > LINES_MAX)
        return;
    char bytes[320];
    struct text text;
    va_list parts;
    text_start(&text, bytes, sizeof bytes - 1);
    text_add(&text, "keepwarm: ");
    va_start(parts, level);
    for (const char *part = va_arg(parts, const char *); part; part = va_arg(parts, const char *))
        text_add(&text, part);
    va_end(parts);
    bytes[text.length++] = '\n';
    if (to_file)
        write_log_file(bytes, text.length);
    else
        message_stderr(bytes, text.length);
}

void message_failure(enum log_level level, const char *what, const char *path, long error)
{
    char bytes[32];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    text_add_errno(&text, error);
    message(level, what, ": ", path, ": ", bytes, NULL);
}
