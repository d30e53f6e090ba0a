"""Live files: a process's counters as they were when it was last seen, also after SIGKILL. Their layout is described
in the library's shim/live.h, and in each file's own first page."""

import pathlib
import struct

SCHEMA = "keepwarm-live/1"


class NotLive(Exception):
    """A file that is no live file, is of another version, or was cut short before its counters."""


def read_header(path, data):
    """The lines of the first page as a dictionary, and the texts of the rules."""
    lines = data.partition(b"\0")[0].decode(errors="replace").splitlines()
    if not lines or lines[0] != SCHEMA:
        raise NotLive(f"{path}: not a live file of this version ({SCHEMA})")
    pairs = [line.partition(" ")[::2] for line in lines[1:]]
    return {name: value for name, value in pairs if name != "rule"}, [text for name, text in pairs if name == "rule"]


def add_blocks(data, blocks, offset, words):
    """Words of all threads' blocks, added up. What is cut off counts as nothing."""
    total = [0] * words
    for block in range(blocks):
        start = offset + block * words * 8
        part = data[start:start + words * 8].ljust(words * 8, b"\0")
        total = [sum(pair) for pair in zip(total, struct.unpack(f"={words}Q", part))]
    return total


def read(path):
    """The statistics (as of a .json file, without gauges, sites and arms) in a live file. Raises NotLive, OSError."""
    data = pathlib.Path(path).read_bytes()
    header, rules = read_header(path, data)
    try:
        total = add_blocks(data, *map(int, header["blocks"].split()))
        names, reasons = header["counters"].split(), header["declined"].split()
        document = {"pid": int(header["pid"]), "exe": header["exe"], "mode": header["mode"]}
    except (KeyError, ValueError) as error:
        raise NotLive(f"{path}: its first page is not whole") from error
    document |= dict(zip(names, total))
    document["calls"] = document["served"] + document["forwarded"]
    declined = dict(zip(reasons, total[len(names):]))
    document["declined"] = {reason: times for reason, times in declined.items() if times}
    words = total[len(names) + len(reasons):]
    document["rules"] = [{"rule": rule, "matched": words[3 * i], "served": words[3 * i + 1],
                          "forwarded": words[3 * i + 2]} for i, rule in enumerate(rules)]
    return document
