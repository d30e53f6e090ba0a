"""What the scripts of this folder share: running a program under the built library, reading what it counted."""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

LIBRARY = os.environ["KEEPWARM_LIBRARY"]
BUILD = os.environ.get("top_builddir", ".")
SOURCES = os.environ.get("top_srcdir", ".")
PLACES = os.path.join(BUILD, "test", "places")
WORKER = os.path.join(PLACES, "worker")
SKIPPED = 77

failures = []


def check(condition, what):
    """Notes a failure and goes on."""
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


def finish():
    print(f"{len(failures)} failed", flush=True)
    sys.exit(1 if failures else 0)


def skip(why):
    print(f"skipped: {why}", flush=True)
    sys.exit(SKIPPED)


def skip_without_scan():
    status = subprocess.run([os.path.join(SOURCES, "test", "kernels", "need-scan")], check=False).returncode
    if status:
        sys.exit(status)


def environment(settings=None, regions="any", preload=None, **more):
    """This process's environment, with the library and its settings."""
    made = {k: v for k, v in os.environ.items() if not k.startswith("KEEPWARM") and k != "LD_PRELOAD"}
    made["LD_PRELOAD"] = LIBRARY if preload is None else preload
    if settings is not None:
        made["KEEPWARM"] = settings
    if regions is not None:
        made["KEEPWARM_REGIONS"] = regions
    made.update(more)
    return made


def run(command, env, **more):
    more.setdefault("timeout", 30)
    more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


class Folder:
    """A temporary folder that goes away."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="keepwarm-place-")
        os.chmod(self.path, 0o777)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_live(path):
    """The counters of a live file, as shim/live.h describes it."""
    with open(path, "rb") as file:
        data = file.read()
    lines = data[: data.index(b"\0")].decode("utf-8", "replace").splitlines()
    assert lines[0] == "keepwarm-live/1", lines[0]
    head = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in lines[1:] if not line.startswith("rule ")}
    blocks, offset, words = map(int, head["blocks"].split())
    sums = [0] * words
    for block in range(blocks):
        start = offset + block * words * 8
        part = data[start : start + words * 8].ljust(words * 8, b"\0")
        sums = [a + b for a, b in zip(sums, struct.unpack(f"={words}Q", part))]
    names, reasons = head["counters"].split(), head["declined"].split()
    live = dict(zip(names, sums))
    live["declined"] = dict(zip(reasons, sums[len(names) :]))
    live["pid"], live["exe"], live["mode"] = int(head["pid"]), head["exe"], head["mode"]
    live["arm"] = head["arm"]
    live["rules"] = [line[5:] for line in lines if line.startswith("rule ")]
    return live
