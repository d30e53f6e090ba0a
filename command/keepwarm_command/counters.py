"""The library's statistics (schema keepwarm-stats/1), read, added up over processes, and put into a line."""

import json
import os
import pathlib
import subprocess

from keepwarm_command.arguments import Failure

SCHEMA = "keepwarm-stats/1"
TABLES_NOT_LIVE = ("observed", "sites")
UNCOUNTED = "not all: calls under seccomp or in a chroot were counted nowhere"


def read_live(path):
    """The statistics in a live file, also of a process that was killed. A broken file is a Failure."""
    # Made by the build: benchmarks use the rest of this module from the source tree, where it is missing.
    from keepwarm_command import paths  # pylint: disable=import-outside-toplevel
    done = subprocess.run([os.path.join(paths.EXEC_PATH, "keepwarm-stats"), "--json", path], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise Failure(done.stderr.decode(errors="replace").strip())
    return json.loads(done.stdout)


def read_folder(folder):
    """The statistics that a run's processes left in a folder, of each process once: %p.json, written now and then and
    at its end; when it was killed before that, or runs still, with the newer numbers of %p.live, which has no tables of
    observations and sites: `unwritten` is then how many calls those lack. `uncounted`: some of its, or its children's, calls
    are in no file. A broken file is an error."""
    documents = {path.stem: json.loads(path.read_text()) for path in sorted(pathlib.Path(folder).glob("*.json"))}
    for path in sorted(pathlib.Path(folder).glob("*.live")):
        live = read_live(path)
        written = documents.get(path.stem, {})
        if live["calls"] > written.get("calls", -1):
            newer = {name: value for name, value in live.items() if name not in TABLES_NOT_LIVE}
            documents[path.stem] = written | newer | {"unwritten": live["calls"] - written.get("calls", 0)}
        elif "uncounted" in live:
            written["uncounted"] = live["uncounted"]
    return list(documents.values())


def add_rows(documents, table, *keys):
    """Rows of one table of each document, such as rules, added up by what their keys say, in first-seen order."""
    rows = {}
    for document in documents:
        for row in document.get(table, []):
            total = rows.setdefault(tuple(row[key] for key in keys), {key: row[key] for key in keys})
            for name, value in row.items():
                if name not in keys:
                    total[name] = total.get(name, 0) + value
    return list(rows.values())


def add(documents):
    """One document for all: numbers added up, declined by reason, rules by their text, sites by object,
    observations by what they are about.

    What names a process (pid, exe, mode, arm) is the first document's."""
    named = {name: documents[0][name] for name in ("pid", "exe", "mode", "arm") if documents and name in documents[0]}
    total = {"schema": SCHEMA, **named, "processes": len(documents), "calls": 0, "served": 0, "forwarded": 0,
             "pages_restored": 0, "declined": {}}
    for document in documents:
        for name, value in document.items():
            if isinstance(value, int) and name != "pid":
                total[name] = total.get(name, 0) + value
        for reason, times in document.get("declined", {}).items():
            total["declined"][reason] = total["declined"].get(reason, 0) + times
    total["rules"] = add_rows(documents, "rules", "rule")
    total["sites"] = add_rows(documents, "sites", "object")
    total["observed"] = add_rows(documents, "observed", "caller", "mapping", "hindrance", "size")
    return total


def size(count):
    """A number of bytes in words: 1.2 GiB."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        units.pop(0)
    return f"{count:.0f} {units[0]}" if units[0] == "B" else f"{count:.1f} {units[0]}"


def line(total, page_bytes=4096):
    """'151,203 of 151,207 calls served (4 forwarded: 3 young, 1 locked), 1.2 GiB restored'"""
    reasons = sorted(total["declined"].items(), key=lambda pair: -pair[1])
    why = ": " + ", ".join(f"{times:,} {reason}" for reason, times in reasons if times) if reasons else ""
    forwarded = f" ({total['forwarded']:,} forwarded{why})" if total["forwarded"] else ""
    return (f"{total['served']:,} of {total['calls']:,} calls served{forwarded}, "
            f"{size(total['pages_restored'] * page_bytes)} restored" + f"; {UNCOUNTED}" * ("uncounted" in total))
