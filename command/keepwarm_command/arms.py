"""The two configurations that keepwarm ab compares: the environment of each."""

import argparse
import os
import re
import shlex
from collections import namedtuple

from keepwarm_command import launch
from keepwarm_command.arguments import Failure

Arm = namedtuple("Arm", "name label settings environment keepwarm")
Settings = namedtuple("Settings", "variables rules options")


def parse_settings(text):
    """Settings from '[VARIABLE=VALUE]... [-r RULE]... [-o KEY=VALUE]...', words quoted as for a shell.

    Raises Failure."""
    found = Settings({}, [], [])
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Failure(f"{text!r}: {error}") from error
    while words:
        word = words.pop(0)
        if word in ("-r", "-o") and words:
            (found.rules if word == "-r" else found.options).append(words.pop(0))
        elif re.match(r"[A-Za-z_]\w*=", word):
            name, _, value = word.partition("=")
            found.variables[name] = value
        else:
            raise Failure(f"{text!r}: {word!r} is not VARIABLE=VALUE, -r RULE or -o KEY=VALUE")
    return found


def has_keepwarm(settings):
    """Whether the settings of an arm put the library into it."""
    return bool(settings.rules or settings.options or settings.variables.get("KEEPWARM_REGIONS")
                or settings.variables.get("KEEPWARM"))


def with_keepwarm(settings, options, base):
    """The environment of an arm that has the library. Raises Failure.

    options: the rule and option of the command line. The arm's own rules go in place of those, its options after."""
    own = dict(settings.variables)
    rules = settings.rules or ([own.pop("KEEPWARM_REGIONS")] if "KEEPWARM_REGIONS" in own else options.rule)
    chosen = argparse.Namespace(rule=rules, option=[*options.option, *settings.options])
    return launch.under(*launch.settings(chosen), {**base, **own})


def make_arm(name, text, options):
    """An Arm of SETTINGS text; None means without keepwarm for a, with it for b. Raises Failure.

    options: the rule and option of the command line, as launch.add_settings() leaves them."""
    settings = parse_settings(text or "")
    keepwarm = has_keepwarm(settings) or (name == "b" and text is None)
    if keepwarm:
        environment = with_keepwarm(settings, options, os.environ)
    else:
        environment = {**launch.without(), **settings.variables}
    label = text or ("with keepwarm" if keepwarm else "without keepwarm")
    return Arm(name, label, text or "", environment, keepwarm)


def changes(arm):
    """The variables of an arm that differ from the same environment without keepwarm."""
    plain = launch.without()
    return {name: value for name, value in arm.environment.items() if plain.get(name) != value}
