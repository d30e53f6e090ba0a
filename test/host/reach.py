#!/usr/bin/env python3
"""Which calls are served, by how they are made, how their object was loaded, and the hooks asked for."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ["top_builddir"])
LIBRARY = os.environ["KEEPWARM_LIBRARY"]
PLUGIN = BUILD / "test/host/.libs/reach_plugin.so"
NOPLT = BUILD / "test/host/.libs/reach_noplt.so"
KINDS = "symbol number pointer instruction vector handle arena".split()
BY_NAME = {"symbol", "number", "pointer"}
PATCHED = {"instruction", "vector", "arena"}
SKIP = 77

# way, hooks, regions, plugin; the kinds that are served
CASES = [
    ("plain", "plt", "any", PLUGIN, BY_NAME),
    ("plain", "plt", "any", NOPLT, BY_NAME),
    ("plain", "inline", "any", PLUGIN, BY_NAME | PATCHED),
    ("plain", "libc", "any", PLUGIN, BY_NAME | {"handle"}),
    ("plain", "plt+got+inline+libc", "any", PLUGIN, set(KINDS)),
    ("threads", "inline", "any", PLUGIN, BY_NAME | PATCHED),
    ("again", "got+inline", "any", PLUGIN, BY_NAME | PATCHED),
    ("deepbind", "plt", "any", PLUGIN, set()),
    ("deepbind", "got", "any", PLUGIN, BY_NAME),
    ("deepbind", "got", "any", NOPLT, BY_NAME),
    ("deepbind-lazy", "got", "any", PLUGIN, BY_NAME),
    ("deepbind", "libc", "any", PLUGIN, {"symbol", "pointer", "handle"}),
    ("dlmopen", "plt", "any", PLUGIN, set()),
    ("dlmopen", "got", "any", PLUGIN, BY_NAME),
    ("dlmopen", "got+inline", "any", PLUGIN, BY_NAME | PATCHED),
    ("plain", "inline", "any,caller=reach_plugin.so", PLUGIN, BY_NAME | PATCHED),
    ("plain", "inline", "any,caller=reach", PLUGIN, set()),
    ("deepbind", "got", "any,caller=reach_plugin.so", PLUGIN, BY_NAME),
    ("plain", "inline,objects=*/none.so", "any", PLUGIN, BY_NAME),
    ("plain", "inline", "symbol=plugin_arena", PLUGIN, {"arena"}),
    ("plain", "inline", "symbol=plugin_arena@reach_plugin.so", PLUGIN, {"arena"}),
    ("plain", "inline", "symbol=plugin_arena@other.so", PLUGIN, set()),
    ("plain", "inline", "symbol=no_such_arena", PLUGIN, set()),
]


def run(way, hooks, regions, plugin):
    """The lines that reach prints, and keepwarm's statistics."""
    with tempfile.TemporaryDirectory(prefix="reach-") as folder:
        stats = f"{folder}/s.json"
        env = {**os.environ, "LD_PRELOAD": LIBRARY, "KEEPWARM_REGIONS": regions,
               "KEEPWARM": f"hooks={hooks},stats={stats},strict=1"}
        done = subprocess.run([str(BUILD / "test/host/reach"), way, str(plugin)], env=env, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        statistics = json.loads(pathlib.Path(stats).read_text()) if os.path.exists(stats) else {}
    return done.returncode, done.stdout, statistics


def problem_of(case):
    """What is wrong, or None."""
    *how, wanted = case
    status, output, statistics = run(*how)
    lines = dict(line.split(" ", 1) for line in output.splitlines() if " " in line)
    served = {kind for kind in KINDS if lines.get(kind) == "served"}
    if status or "fresh" not in output:
        return f"exit status {status}:\n{output}"
    if "vector" in wanted and lines.get("vector") == "both":  # the kernel's own answer is seen first
        served.add("vector")
    if served != wanted:
        return f"served {sorted(served)}, not {sorted(wanted)}:\n{output}{statistics.get('sites')}"
    return None


def main():
    if not PLUGIN.exists() or not (BUILD / ".libs/hooks.so").exists():
        print("SKIP: hooks.so was not built")
        return SKIP
    failed = 0
    for case in CASES:
        problem = problem_of(case)
        print(f"{'FAIL' if problem else 'ok'}: {case[0]}, hooks={case[1]}, {case[2]}, {case[3].name}"
              f"{': ' + problem if problem else ''}")
        failed += problem is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
