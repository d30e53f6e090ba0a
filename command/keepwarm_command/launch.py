"""The environment in which a command runs under keepwarm, or without it."""

import os

from keepwarm_command import paths

# A sanitizer's runtime must stay the first library of the process.
SANITIZERS = ("libasan.so", "libtsan.so", "libubsan.so", "liblsan.so", "libclang_rt.")


def preload(already):
    """LD_PRELOAD with the library in front of what is there already, but after a sanitizer's runtime."""
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
