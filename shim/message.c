#include "shim/message.h"

#include <fcntl.h>
#include <stdarg.h>

#include "scan/prim.h"
#include "shim/quiet.h"

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

static void write_quietly(int fd, const char *bytes, size_t length)
{
    struct quiet quiet;
    quiet_begin(&quiet);
    prim_write(fd, bytes, length);
    quiet_end(&quiet);
}

void message_stderr(const char *bytes, size_t length)
{
    write_quietly(2, bytes, length);
}

static bool write_log_file(const char *bytes, size_t length)
{
    /* A FIFO without a reader must not hold the host up. */
    long fd =
        prim_open(state.log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
    if (prim_failed(fd))
        return false;
    write_quietly((int)fd, bytes, length);
    prim_close((int)fd);
    return true;
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
    bool written = to_file && write_log_file(bytes, text.length);
    if (!written && !state.main_began)
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
