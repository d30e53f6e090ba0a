"""The environment in which a command runs under keepwarm, or without it."""

import os
import re
import tempfile

from keepwarm_command import paths
from keepwarm_command.arguments import Failure

# A sanitizer's runtime must stay the first library of the process.
SANITIZERS = ("libasan.so", "libtsan.so", "libubsan.so", "liblsan.so", "libclang_rt.")

# Bytes that live files may need: 60 KiB for each of some hundred processes.
ROOM = 16 << 20


def preload(already):
    """LD_PRELOAD with the library in front of what is there already, but after a sanitizer's runtime."""
    if not os.access(paths.LIBRARY, os.R_OK):
        raise Failure(f"{paths.LIBRARY}: the library is not there; KEEPWARM_LIBRARY, when set, must name it")
    if re.search(r"[\s:]", paths.LIBRARY):
        raise Failure(f"{paths.LIBRARY}: LD_PRELOAD cannot hold a path with a space or a colon")
    kept = [entry for entry in already.replace(":", " ").split()
            if os.path.basename(entry) != os.path.basename(paths.LIBRARY)]
    first = [entry for entry in kept if os.path.basename(entry).startswith(SANITIZERS)]
    return " ".join([*first, paths.LIBRARY, *(entry for entry in kept if entry not in first)])


def without(base=None):
    """A copy of an environment (this process's by default) with nothing of keepwarm's in it."""
    kept = {name: value for name, value in (os.environ if base is None else base).items()
            if name not in ("KEEPWARM", "KEEPWARM_REGIONS")}
    others = [entry for entry in kept.pop("LD_PRELOAD", "").replace(":", " ").split()
              if os.path.basename(entry) != os.path.basename(paths.LIBRARY)]
    return kept | ({"LD_PRELOAD": " ".join(others)} if others else {})


def escape(value):
    """A path as KEEPWARM's values want it: commas, semicolons and backslashes with a backslash before them."""
    return "".join("\\" + character if character in ",;\\" else character for character in value)


def under(regions, settings=(), base=None):
    """A copy of an environment (this process's by default) with the library, these rules and settings in it.

    regions: text for KEEPWARM_REGIONS, or None to keep what the environment says; settings: 'key=value' strings
    that go after, and so win over, those that KEEPWARM has there already."""
    environment = dict(os.environ if base is None else base)
    environment["LD_PRELOAD"] = preload(environment.get("LD_PRELOAD", ""))
    if regions is not None:
        environment["KEEPWARM_REGIONS"] = regions
    joined = ",".join(filter(None, [environment.get("KEEPWARM"), *settings]))
    return environment | ({"KEEPWARM": joined} if joined else {})


def add_settings(parser):
    """Gives a parser the options -r and -o, from which settings() reads."""
    parser.add_argument("-r", "--rule", action="append", default=[], metavar="RULE",
                        help="which memory to serve, as in KEEPWARM_REGIONS, and in place of it; may be repeated")
    parser.add_argument("-o", "--option", action="append", default=[], metavar="KEY=VALUE",
                        help="how to serve it, as in KEEPWARM, and winning over what that says; may be repeated")


def settings(options):
    """(regions, settings) for under(), of what add_settings() read. No rules at all are a Failure."""
    for setting in options.option:
        if "=" not in setting and setting != "help":
            raise Failure(f"-o {setting}: not KEY=VALUE")
    if len(options.rule) > 1 and any(rule.startswith("@") for rule in options.rule):
        raise Failure("-r @FILE holds all rules: it cannot be given with another -r")
    needs_none = {"help", "mode=observe"} & set(options.option)
    if not any(options.rule) and not os.environ.get("KEEPWARM_REGIONS") and not needs_none:
        raise Failure("no rules: give -r RULE, or set KEEPWARM_REGIONS; keepwarm observe suggests some")
    return ";".join(options.rule) or None, options.option


def gathering(folder, chosen, *more):
    """Settings that leave the statistics of every process in a folder, for counters.read_folder().

    chosen: the user's own, which may not name files, as must not KEEPWARM: that is a Failure."""
    already = ",".join([os.environ.get("KEEPWARM", ""), *chosen])
    named = re.search(r"(?:^|(?<!\\),)\s*(live|stats)=", already)
    if named:
        raise Failure(f"the settings name a {named[1]}= file, which this needs for itself: leave it out")
    return [*chosen, f"stats={escape(folder)}/%p.json", f"live={escape(folder)}/%p.live", *more]


def has_room(folder):
    """Is that a folder of ours to write to, with ROOM left?"""
    try:
        system = os.statvfs(folder)
    except OSError:
        return False
    return os.access(folder, os.W_OK) and system.f_bavail * system.f_frsize >= ROOM


def folder_for(subcommand):
    """A temporary folder of our own, in memory where that is possible: live files are written at every call."""
    shared_memory = "/dev/shm" if has_room("/dev/shm") else None
    return tempfile.TemporaryDirectory(prefix=f"keepwarm-{subcommand}-", dir=shared_memory)
