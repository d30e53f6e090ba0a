#include "test/unit/unit.h"

#define LINE(setting, rest) "keepwarm: KEEPWARM: " setting ": " rest "\n"

static void assert_defaults(const struct options *options)
{
    cr_assert_eq(options->mode, MODE_ON);
    cr_assert_eq(options->keep, 4 << 20);
    cr_assert_str_eq(options->exe, "*");
    cr_assert_str_empty(options->stats);
    cr_assert_str_empty(options->live);
    cr_assert_eq(options->log, LOG_WARN);
    cr_assert_str_empty(options->log_file);
    cr_assert_not(options->strict);
    cr_assert_not(options->help);
}

Test(options, defaults)
{
    static const char *const empty[] = {"", ",", " , ,", "\n"};
    for (size_t i = 0; i < 4; i++) {
        struct parsed_options *parsed = parse_options(empty[i]);
        assert_defaults(&parsed->options);
        cr_assert_eq(parsed->problems.count, 0);
    }
}

Test(options, every_key)
{
    struct parsed_options *parsed = parse_options(
        "mode=verify, keep=64k,exe=a\\,b*,stats=/x/%p.json,live=/y/%e,log=debug:/z/log,strict=1,help");
    const struct options *options = &parsed->options;
    cr_assert_eq(parsed->problems.count, 0, "%s", parsed->problems.bytes);
    cr_assert_eq(options->mode, MODE_VERIFY);
    cr_assert_eq(options->keep, 65536);
    cr_assert_str_eq(options->exe, "a,b*");
    cr_assert_str_eq(options->stats, "/x/%p.json");
    cr_assert_str_eq(options->live, "/y/%e");
    cr_assert_eq(options->log, LOG_DEBUG);
    cr_assert_str_eq(options->log_file, "/z/log");
    cr_assert(options->strict);
    cr_assert(options->help);
}

Test(options, later_versions_keys_take_their_defaults)
{
    struct parsed_options *parsed = parse_options("pressure=on,budget=25%");
    cr_assert_eq(parsed->problems.count, 0);
}

Test(options, bad_values_keep_the_default_and_say_so)
{
    static const struct {
        const char *settings, *line;
    } rows[] = {
        {"keep=12Q", LINE("keep=12Q", "not a size such as 64K, 4M or 1G; using 4M")},
        {"keep=", LINE("keep=", "not a size such as 64K, 4M or 1G; using 4M")},
        {"keep", LINE("keep", "not a size such as 64K, 4M or 1G; using 4M")},
        {"keep=-1", LINE("keep=-1", "not a size such as 64K, 4M or 1G; using 4M")},
        {"keep=99999999999999999999",
         LINE("keep=99999999999999999999", "not a size such as 64K, 4M or 1G; using 4M")},
        {"strict=yes", LINE("strict=yes", "not 0 or 1; using 0")},
        {"exe=", LINE("exe=", "empty; using *")},
        {"stats=", LINE("stats=", "empty; using none")},
        {"live=", LINE("live=", "empty; using none")},
        {"log=loud",
         LINE("log=loud", "not one of error, warn, info, debug, with :FILE or without; using warn")},
        {"log=", LINE("log=", "not one of error, warn, info, debug, with :FILE or without; using warn")},
        {"colour=red", LINE("colour=red", "not a key; KEEPWARM=help lists them; ignored")},
        {"Keep=1", LINE("Keep=1", "not a key; KEEPWARM=help lists them; ignored")},
        {"=1", LINE("=1", "not a key; KEEPWARM=help lists them; ignored")},
        {"keep=1\nx", LINE("keep=1?x", "not a size such as 64K, 4M or 1G; using 4M")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct parsed_options *parsed = parse_options(rows[i].settings);
        cr_assert_str_eq(parsed->problems.bytes, rows[i].line);
        cr_assert_eq(parsed->problems.count, 1);
        assert_defaults(&parsed->options);
    }
}

Test(options, hooks)
{
    static const struct {
        const char *settings;
        unsigned hooks;
    } good[] = {
        {"hooks=plt", HOOK_PLT},
        {"hooks=got", HOOK_GOT},
        {"hooks=plt+inline", HOOK_INLINE},
        {"hooks=libc+got+inline+plt", HOOK_LIBC | HOOK_GOT | HOOK_INLINE},
    };
    static const char *const bad[] = {"hooks=",           "hooks",     "hooks=+got",    "hooks=got+",
                                      "hooks=got inline", "hooks=GOT", "hooks=got+none"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const struct parsed_options *parsed = parse_options(good[i].settings);
        cr_assert_eq(parsed->problems.count, 0, "%s", good[i].settings);
        cr_assert_eq(parsed->options.hooks, good[i].hooks, "%s", good[i].settings);
        cr_assert(parsed->options.hooks_given);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct parsed_options *parsed = parse_options(bad[i]);
        cr_assert_eq(parsed->problems.count, 1, "%s", bad[i]);
        cr_assert(!parsed->options.hooks, "%s", bad[i]);
    }
    cr_assert_not(parse_options("keep=1M")->options.hooks_given);
}

Test(options, objects)
{
    cr_assert_str_eq(parse_options("objects=libx*.so")->options.objects, "libx*.so");
    cr_assert_str_eq(parse_options("objects=x,objects=all but libc and ld.so")->options.objects, "");
    cr_assert_eq(parse_options("objects=")->problems.count, 1);
}

Test(options, budget_and_pressure)
{
    struct options *options = &parse_options("budget=10%,pressure=off")->options;
    cr_assert(options->budget_percent == 10 && !options->pressure);
    options = &parse_options("budget=64M")->options;
    cr_assert(options->budget_percent == 0 && options->budget == 64 << 20 && options->pressure);
    cr_assert_eq(parse_options("")->options.budget_percent, 25);
    static const char *const bad[] = {"budget=12Q", "budget=%",   "budget=101%",
                                      "budget=-1%", "budget=5%%", "budget=99999999999%",
                                      "pressure=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct parsed_options *parsed = parse_options(bad[i]);
        cr_assert_eq(parsed->problems.count, 1, "%s", bad[i]);
        cr_assert(parsed->options.budget_percent == 25 && parsed->options.pressure, "%s", bad[i]);
    }
}

Test(options, good_settings_stand_beside_bad_ones)
{
    struct parsed_options *parsed = parse_options("keep=1M,bogus,strict=1,keep2=3,log=info");
    cr_assert_eq(parsed->problems.count, 2);
    cr_assert_eq(parsed->options.keep, 1 << 20);
    cr_assert(parsed->options.strict);
    cr_assert_eq(parsed->options.log, LOG_INFO);
}

Test(options, bad_mode_means_off)
{
    static const char *const bad[] = {"mode=",         "mode",
                                      "mode=ON",       "mode=onn",
                                      "mode=1",        "mode=Observe",
                                      "mode=on=",      "mode=verify=1",
                                      "mode=ab",       "mode=ab=",
                                      "mode=ab=250",   "mode=ab=ms",
                                      "mode=ab=19ms",  "mode=ab=3601s",
                                      "mode=ab=-1s",   "mode=ab=1Ks",
                                      "mode=ab=1m",    "mode=ab=0.5s",
                                      "mode=coin",     "mode=coin=1.5",
                                      "mode=coin=50%", "mode=coin=-0.5",
                                      "mode=coin=",    "mode=ab=250ms=",
                                      "mode=coin=.",   "mode=ab=9999999999999999999s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct parsed_options *parsed = parse_options(bad[i]);
        cr_assert_eq(parsed->options.mode, MODE_OFF, "%s", bad[i]);
        cr_assert_eq(parsed->problems.count, 1);
        cr_assert_not_null(strstr(parsed->problems.bytes, "; using off\n"));
    }
}

Test(options, modes_with_a_value)
{
    const struct options *options = &parse_options("mode=ab=250ms")->options;
    cr_assert(options->mode == MODE_AB && options->slice_ns == 250000000);
    options = &parse_options("mode=coin=0.25")->options;
    cr_assert(options->mode == MODE_COIN && options->coin == 250000000);
    options = &parse_options("mode=ab=nonsense,mode=ab=1s")->options;
    cr_assert_eq(options->mode, MODE_OFF, "a bad mode stays off");
}

/* The line says which value is used: it must be the one that is. */
Test(options, bad_value_after_a_good_one)
{
    struct parsed_options *parsed = parse_options("keep=8M,keep=12Q");
    cr_assert_str_eq(parsed->problems.bytes, LINE("keep=12Q", "not a size such as 64K, 4M or 1G; using 4M"));
    cr_assert_eq(parsed->options.keep, 4 << 20);
    cr_assert_not(parse_options("strict=1,strict=2")->options.strict);
    cr_assert_str_eq(parse_options("exe=x,exe=")->options.exe, "*");
    cr_assert_str_empty(parse_options("stats=x,stats=")->options.stats);
}

Test(options, bad_log_file_changes_no_level)
{
    struct parsed_options *parsed = parse_options("log=debug:");
    cr_assert_eq(parsed->problems.count, 1);
    cr_assert_eq(parsed->options.log, LOG_WARN);
}

Test(options, long_values)
{
    char settings[600] = "stats=";
    memset(settings + 6, 'x', 255);
    struct parsed_options *parsed = parse_options(settings);
    cr_assert_eq(parsed->problems.count, 0);
    cr_assert_eq(strlen(parsed->options.stats), 255);
    settings[6 + 255] = 'x';
    parsed = parse_options(settings);
    cr_assert_eq(parsed->problems.count, 1);
    cr_assert_str_empty(parsed->options.stats);
    cr_assert_not_null(strstr(parsed->problems.bytes, "x...: longer than 255 bytes; using none\n"));
}

Test(options, none_takes_back)
{
    struct parsed_options *parsed = parse_options("stats=x,live=y,stats=none,live=none");
    cr_assert_str_empty(parsed->options.stats);
    cr_assert_str_empty(parsed->options.live);
}

Test(options, help_lists_each_key_once)
{
    static const char *const keys[] = {"mode",  "keep", "budget",   "hooks", "objects", "exe",
                                       "stats", "live", "pressure", "log",   "strict"};
    static char bytes[8192];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    options_help(&text);
    cr_assert_not(text.full);
    unsigned lines = 0;
    for (const char *at = bytes; (at = strchr(at, '\n')); at++)
        lines++;
    cr_assert_eq(lines, 1 + sizeof keys / sizeof *keys);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char start[32] = "\n  ";
        strcat(strcat(start, keys[i]), " ");
        cr_assert_not_null(strstr(bytes, start), "%s", keys[i]);
    }
}

Test(options, modes_have_names)
{
    cr_assert_str_eq(mode_name(MODE_ON), "on");
    cr_assert_str_eq(mode_name(MODE_OFF), "off");
    cr_assert_str_eq(mode_name(MODE_VERIFY), "verify");
    cr_assert_str_eq(mode_name(MODE_OBSERVE), "observe");
    cr_assert_eq(parse_options("mode=observe")->options.mode, MODE_OBSERVE);
    cr_assert_str_eq(mode_name(MODE_AB), "ab");
    cr_assert_str_eq(mode_name(MODE_COIN), "coin");
}
