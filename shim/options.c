#include "shim/options.h"

#include <string.h>

/* Each setter returns NULL, or what is wrong with the value. */
typedef const char *setter(struct options *options, struct span value);

static const char *set_path(char to[OPTION_PATH], struct span value)
{
    char path[OPTION_PATH];
    long length = span_unescape(value, path, sizeof path);
    if (length < 0)
        return "longer than 255 bytes";
    if (length == 0)
        return "empty";
    memcpy(to, path, (size_t)length + 1);
    return NULL;
}

const char *mode_name(enum mode mode)
{
    static const char *const names[] = {"on", "off", "verify", "observe", "ab", "coin"};
    return names[mode];
}

/* The coarse clock ticks every 10 ms or less, and a tenth of a slice is left out. */
#define SLICE_LEAST (20 * (uint64_t)1000000)
#define SLICE_MOST (3600 * (uint64_t)1000000000)

/* Returns NULL when value is a mode with all it needs, which is then in *options. */
static const char *parse_mode(struct options *options, struct span value)
{
    struct span argument = value, word = value;
    span_next(&argument, '=', &word);
    if (span_is(word, mode_name(MODE_AB))) {
        options->mode = MODE_AB;
        bool good = span_duration(argument, &options->slice_ns) && options->slice_ns >= SLICE_LEAST &&
                    options->slice_ns <= SLICE_MOST;
        return good ? NULL : "not a time from 20ms to 3600s";
    }
    if (span_is(word, mode_name(MODE_COIN))) {
        options->mode = MODE_COIN;
        return span_probability(argument, &options->coin) ? NULL : "not a probability from 0 to 1";
    }
    for (enum mode mode = MODE_ON; mode <= MODE_OBSERVE; mode++)
        if (span_is(value, mode_name(mode))) {
            options->mode = mode;
            return NULL;
        }
    return "not a mode";
}

static const char *set_mode(struct options *options, struct span value)
{
    const char *problem = parse_mode(options, value);
    options->mode_is_bad |= problem != NULL;
    if (options->mode_is_bad)
        options->mode = MODE_OFF;
    return problem;
}

static const char *set_keep(struct options *options, struct span value)
{
    return span_size(value, &options->keep) ? NULL : NOT_A_SIZE;
}

static const char *set_budget(struct options *options, struct span value)
{
    unsigned percent = 0;
    if (!value.length || value.start[value.length - 1] != '%') {
        options->budget_percent = 0;
        return span_size(value, &options->budget) ? NULL : NOT_A_SIZE;
    }
    for (size_t i = 0; i + 1 < value.length; i++) {
        if (value.start[i] < '0' || value.start[i] > '9' || percent > 100)
            return "not a percentage";
        percent = percent * 10 + (unsigned)(value.start[i] - '0');
    }
    if (value.length == 1 || percent > 100)
        return "not a percentage";
    options->budget = 0;
    options->budget_percent = percent;
    return NULL;
}

static const char *set_pressure(struct options *options, struct span value)
{
    if (!span_is(value, "on") && !span_is(value, "off"))
        return "not on or off";
    options->pressure = span_is(value, "on");
    return NULL;
}

static const char *set_hooks(struct options *options, struct span value)
{
    static const struct {
        const char *name;
        enum hook_kind kind;
    } kinds[] = {{"plt", HOOK_PLT}, {"got", HOOK_GOT}, {"inline", HOOK_INLINE}, {"libc", HOOK_LIBC}};
    struct span word;
    unsigned hooks = 0;
    if (!value.length || value.start[value.length - 1] == '+')
        return "not plt, got, inline or libc, joined by +";
    while (span_next(&value, '+', &word)) {
        unsigned i = 0;
        while (i < 4 && !span_is(word, kinds[i].name))
            i++;
        if (i == 4)
            return "not plt, got, inline or libc, joined by +";
        hooks |= kinds[i].kind;
    }
    options->hooks = hooks;
    options->hooks_given = true;
    return NULL;
}

#define OBJECTS_DEFAULT "all but libc and ld.so"

static const char *set_objects(struct options *options, struct span value)
{
    if (span_is(value, OBJECTS_DEFAULT)) {
        options->objects[0] = 0;
        return NULL;
    }
    return set_path(options->objects, value);
}

static const char *set_exe(struct options *options, struct span value)
{
    return set_path(options->exe, value);
}

static const char *set_stats(struct options *options, struct span value)
{
    if (span_is(value, "none")) {
        options->stats[0] = 0;
        return NULL;
    }
    return set_path(options->stats, value);
}

static const char *set_live(struct options *options, struct span value)
{
    if (span_is(value, "none")) {
        options->live[0] = 0;
        return NULL;
    }
    return set_path(options->live, value);
}

static const char *set_log(struct options *options, struct span value)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    struct span file = value, level = value;
    span_next(&file, ':', &level);
    options->log_file[0] = 0;
    for (unsigned i = 0; i < 4; i++)
        if (span_is(level, names[i])) {
            options->log = (enum log_level)i;
            return level.length == value.length ? NULL : set_path(options->log_file, file);
        }
    return "not one of error, warn, info, debug, with :FILE or without";
}

static const char *set_strict(struct options *options, struct span value)
{
    if (!span_is(value, "0") && !span_is(value, "1"))
        return "not 0 or 1";
    options->strict = span_is(value, "1");
    return NULL;
}

static const struct {
    const char *key, *fallback, *meaning;
    setter *set;
} keys[] = {
    {"mode", "on",
     "on; off; verify: serve, then compare every byte with what the real call would show; observe: forward "
     "all, and count what a reset would have found; ab=TIME: on and off in turns, TIME each (250ms); coin=P: "
     "this process on with probability P",
     set_mode},
    {"keep", "4M", "restore at most this many dirty bytes a call, for rules that set none", set_keep},
    {"budget", "25%",
     "most bytes kept resident in the process: SIZE, or PERCENT of RAM or the cgroup's limit", set_budget},
    {"hooks", "plt",
     "how calls are found, joined by +: plt; got, pointers that preloading misses; inline, system call "
     "instructions; libc, libc's own calls",
     set_hooks},
    {"objects", OBJECTS_DEFAULT, "pattern of the objects whose pointers and code may be patched",
     set_objects},
    {"exe", "*", "act only in processes whose executable's base name matches", set_exe},
    {"stats", "none", "stderr or FILE; %p pid, %e executable; by its ending .json, .prom or text", set_stats},
    {"live", "none", "FILE in which the counters live while the process runs", set_live},
    {"pressure", "on", "on, off: while memory is short forward, which gives the range's memory back",
     set_pressure},
    {"log", "warn", "error, warn, info, debug; LEVEL:FILE for messages after start-up too", set_log},
    {"strict", "0", "1: a bad setting or an unfit kernel ends the process before main, status 125",
     set_strict},
};
enum { KEYS = sizeof keys / sizeof *keys };

static void report(struct problems *problems, struct span setting, const char *what, const char *instead)
{
    char bytes[128];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    text_add(&text, what);
    text_add(&text, "; ");
    text_add(&text, instead ? "using " : "ignored");
    if (instead)
        text_add(&text, instead);
    problems_add(problems, "KEEPWARM", setting, bytes);
}

static void parse_setting(struct options *options, struct span setting, struct problems *problems)
{
    struct span key, value = setting;
    span_next(&value, '=', &key);
    key = span_trim(key);
    value = span_trim(value);
    for (unsigned i = 0; i < KEYS; i++) {
        if (!span_is(key, keys[i].key))
            continue;
        const char *problem = keys[i].set(options, value);
        const char *instead = keys[i].set == set_mode ? "off" : keys[i].fallback;
        if (problem) {
            report(problems, setting, problem, instead);
            keys[i].set(options, span_of(instead));
        }
        return;
    }
    report(problems, setting, "not a key; KEEPWARM=help lists them", NULL);
}

static void set_defaults(struct options *options)
{
    memset(options, 0, sizeof *options);
    for (unsigned i = 0; i < KEYS; i++)
        keys[i].set(options, span_of(keys[i].fallback));
    options->hooks_given = false;
}

void options_parse(struct options *options, struct span settings, struct problems *problems)
{
    struct span setting;
    set_defaults(options);
    while (span_next(&settings, ',', &setting)) {
        setting = span_trim(setting);
        if (span_is(setting, "help"))
            options->help = true;
        else if (setting.length)
            parse_setting(options, setting, problems);
    }
}

void options_help(struct text *text)
{
    text_add(text, "KEEPWARM=key=value[,key=value]...\n");
    for (unsigned i = 0; i < KEYS; i++) {
        text_add(text, "  ");
        text_add(text, keys[i].key);
        for (size_t column = strlen(keys[i].key); column < 10; column++)
            text_add(text, " ");
        text_add(text, keys[i].meaning);
        text_add(text, " [");
        text_add(text, keys[i].fallback);
        text_add(text, "]\n");
    }
}
