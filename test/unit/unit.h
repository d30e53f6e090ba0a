/* Shared by the unit tests. */
#ifndef TEST_UNIT_UNIT_H
#define TEST_UNIT_UNIT_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "shim/options.h"
#include "shim/rules.h"

/* Both parse into static memory: the structs are large. */
struct parsed_rules {
    struct rules rules;
    struct problems problems;
};
struct parsed_rules *parse_rules(const char *settings);
struct parsed_rules *parse_rule_lines(const char *lines);

struct parsed_options {
    struct options options;
    struct problems problems;
};
struct parsed_options *parse_options(const char *settings);

#endif
