/* keepwarm presets: the rules for known runtimes, from the library's own table. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "command/arguments.h"
#include "shim/options.h"
#include "shim/presets.h"

const char program_name[] = "keepwarm presets";

static const char usage[] = "usage: keepwarm presets [--json]\n"
                            "Prints what preset=NAME in KEEPWARM_REGIONS stands for: its rules, the hooks it "
                            "uses where KEEPWARM sets none,\n"
                            "what it is for, and what was measured.\n"
                            "\n"
                            "  --json  as JSON\n"
                            "  --help  this text\n";

/* The value of hooks= that means these. */
static const char *hooks_name(unsigned hooks, char *name, size_t size)
{
    snprintf(name, size, "plt%s%s%s", hooks & HOOK_GOT ? "+got" : "", hooks & HOOK_INLINE ? "+inline" : "",
             hooks & HOOK_LIBC ? "+libc" : "");
    return name;
}

static void print_text(void)
{
    char hooks[32];
    const struct preset *preset;
    for (unsigned i = 0; (preset = preset_at(i)); i++)
        printf("%s%s\n  rules     %s\n  hooks     %s\n  for       %s\n  measured  %s\n", i ? "\n" : "",
               preset->name, preset->rules, hooks_name(preset->hooks, hooks, sizeof hooks), preset->use,
               preset->measured);
}

static void print_json(void)
{
    char hooks[32];
    const struct preset *preset;
    json_t *rows = json_array();
    for (unsigned i = 0; (preset = preset_at(i)); i++)
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", preset->name, "rules",
                                              preset->rules, "hooks",
                                              hooks_name(preset->hooks, hooks, sizeof hooks), "for",
                                              preset->use, "measured", preset->measured));
    json_t *root = json_pack("{s:s, s:o}", "schema", "keepwarm-presets/1", "presets", rows);
    json_dumpf(root, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(root);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool json = false;
    while (next_option(argc, argv, options, usage) != -1)
        json = true;
    if (optind < argc)
        return failure("no argument is wanted; --help tells more");
    (json ? print_json : print_text)();
    return finish_output(0);
}
