"""The two configurations that keepwarm ab compares: the environment of each."""

import os
import re
import shlex
from collections import namedtuple

from keepwarm_command import launch, paths

Arm = namedtuple("Arm", "name label settings environment keepwarm")
Settings = namedtuple("Settings", "variables rules options")


class BadSettings(Exception):
    """SETTINGS that are none, or an arm that has no rule."""


def parse_settings(text):
    """Settings from '[VARIABLE=VALUE]... [-r RULE]... [-o KEY=VALUE]...', words quoted as for a shell."""
    found = Settings({}, [], [])
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadSettings(f"{text!r}: {error}") from error
    while words:
        word = words.pop(0)
        if word in ("-r", "-o") and words:
            (found.rules if word == "-r" else found.options).append(words.pop(0))
        elif re.match(r"[A-Za-z_]\w*=", word):
            name, _, value = word.partition("=")
            found.variables[name] = value
        else:
            raise BadSettings(f"{text!r}: {word!r} is not VARIABLE=VALUE, -r RULE or -o KEY=VALUE")
    return found


def has_keepwarm(settings):
    """Whether the settings of an arm put the library into it."""
    return bool(settings.rules or settings.options or {"KEEPWARM", "KEEPWARM_REGIONS"} & set(settings.variables))


def with_keepwarm(name, settings, rules, options, base):
    """The environment of an arm that has the library.

    rules, options: those of the command line. The arm's own rules go in their place, its options after them."""
    chosen = settings.rules or ([] if "KEEPWARM_REGIONS" in settings.variables else rules)
    made = launch.under(";".join(chosen) if chosen else None, [*options, *settings.options],
                        {**base, **settings.variables})
    if not made.get("KEEPWARM_REGIONS"):
        raise BadSettings(f"arm {name} has no rule: give -r RULE, or set KEEPWARM_REGIONS")
    return made


def make_arm(name, text, rules, options, base=None):
    """An Arm of SETTINGS text; None means without keepwarm for a, with it for b.

    Raises BadSettings. base: the environment that arms start from, this process's by default."""
    base = dict(os.environ if base is None else base)
    settings = parse_settings(text or "")
    keepwarm = has_keepwarm(settings) or (name == "b" and text is None)
    if keepwarm:
        environment = with_keepwarm(name, settings, rules, options, base)
    else:
        environment = {**launch.without(base), **settings.variables}
    label = "with keepwarm" if keepwarm else "without keepwarm"
    if text:
        label = text
    return Arm(name, label, text or "", environment, keepwarm)


def changes(arm, base=None):
    """The variables of an arm that differ from the same environment without keepwarm."""
    plain = launch.without(base)
    return {name: value for name, value in arm.environment.items() if plain.get(name) != value}


def library_is_missing(arms):
    """A line that says so if an arm needs a library that is not there."""
    if any(arm.keepwarm for arm in arms) and not os.path.isfile(paths.LIBRARY):
        return f"no library at {paths.LIBRARY}"
    return None
