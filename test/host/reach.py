#!/usr/bin/env python3
"""Which calls are served, by how they are made, how their object was loaded, and the hooks asked for."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ["top_builddir"])
LIBRARY = os.environ["KEEPWARM_LIBRARY"]
PLUGIN = BUILD / "test/host/.libs/reach_plugin.so"
NOPLT = BUILD / "test/host/.libs/reach_noplt.so"
KINDS = "symbol number pointer instruction vector handle arena constructor".split()
BY_NAME = {"symbol", "number", "pointer"}
PATCHED = {"instruction", "vector", "arena"}
SKIP = 77

# way, hooks, regions, plugin; the kinds that are served
CASES = [
    ("plain", "plt", "any", PLUGIN, BY_NAME),
    ("plain", "plt", "any", NOPLT, BY_NAME),
    ("plain", "inline", "any", PLUGIN, BY_NAME | PATCHED),
    ("plain", "libc", "any", PLUGIN, BY_NAME | {"handle"}),
    ("plain", "plt+got+inline+libc", "any", PLUGIN, BY_NAME | PATCHED | {"handle"}),
    ("hello", "plt", "any", PLUGIN, BY_NAME),
    ("hello", "inline", "any", PLUGIN, BY_NAME | PATCHED | {"constructor"}),
    ("hello", "got+inline", "any", NOPLT, BY_NAME | PATCHED | {"constructor"}),
    ("hello", "inline", "symbol=plugin_arena", PLUGIN, {"arena", "constructor"}),
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
    ("deepbind", "got+inline", "any", NOPLT, BY_NAME | PATCHED),
    ("plain", "inline", "symbol=plugin_arena", PLUGIN, {"arena"}),
    ("plain", "inline", "symbol=plugin_arena@reach_plugin.so", PLUGIN, {"arena"}),
    ("plain", "inline", "symbol=plugin_arena@other.so", PLUGIN, set()),
    ("plain", "inline", "symbol=no_such_arena", PLUGIN, set()),
]


def run(way, hooks, regions, plugin, prefix=(), library=LIBRARY, preloaded=()):
    """The lines that reach prints, and keepwarm's statistics."""
    with tempfile.TemporaryDirectory(prefix="reach-") as folder:
        stats = f"{folder}/s.json"
        # By force: what is tested is which calls arrive, and not whether serving them pays.
        forced = regions if "policy=" in regions else f"{regions},policy=scan"
        env = {**os.environ, "KEEPWARM_REGIONS": forced,
               "KEEPWARM": f"hooks={hooks},stats={stats},strict=1"}
        command = [*prefix, "env", f"LD_PRELOAD={' '.join(map(str, (library, *preloaded)))}", str(BUILD / "test/host/reach"), way, str(plugin)]
        done = subprocess.run(command, env=env, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        statistics = json.loads(pathlib.Path(stats).read_text()) if os.path.exists(stats) else {}
    return done.returncode, done.stdout, statistics


def possible(kinds, output):
    """Of these kinds, those that the kernel allows."""
    return kinds - {"vector"} if "vector refused" in output else kinds


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
    wanted = possible(wanted, output)
    if served != wanted:
        return f"served {sorted(served)}, not {sorted(wanted)}:\n{output}{statistics.get('sites')}"
    return None


def problem_of_counts():
    """With every site known, real_calls is what strace sees."""
    with tempfile.TemporaryDirectory(prefix="reach-") as folder:
        trace = f"{folder}/trace"
        prefix = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=madvise,process_madvise"]
        for regions in ("any", "any,max=1", "any,policy=forward", "any,range=1000-2000"):
            status, output, statistics = run("plain", "plt+got+inline+libc", regions, PLUGIN, prefix)
            seen = sum("madvise(" in line for line in open(trace, encoding="utf-8"))
            if status or seen != statistics.get("real_calls"):
                return f"{regions}: strace saw {seen} calls, keepwarm counted {statistics.get('real_calls')}:\n{output}"
            if statistics["calls"] != statistics["served"] + statistics["forwarded"]:
                return f"{regions}: {statistics}"
    return None


def other_build(_):
    return NOPLT.read_bytes()


def other_build_id(content):
    """Differs in one byte of the build-id: the note is {4, 20, 3, "GNU"}, and then it."""
    at = content.index(b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0") + 16
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]


def other_code(content):
    """Has the build-id, but every site a byte further on."""
    site, moved = b"\xb8\x1c\0\0\0\x0f\x05", b"\x90\xb8\x1c\0\0\0\x0f\x05"
    before, *rest = content.split(site)
    return before + b"".join(moved + after[1:] for after in rest)


# how the file is replaced, and by what; the kinds that are served
REPLACED = [
    ("rename", other_build, BY_NAME),
    ("mount", other_build, BY_NAME),
    ("mount", other_build_id, BY_NAME),
    ("mount", other_code, BY_NAME | {"vector"}),
]


def problem_of_replaced():
    """What differs from its file is left alone, and counted."""
    mounting = ["unshare", "--user", "--map-root-user", "--mount"]
    may_mount = shutil.which("unshare") and not subprocess.run([*mounting, "true"], check=False).returncode
    for how, change, wanted in REPLACED:
        if how == "mount" and not may_mount:
            print("skipped: nothing can be mounted here")
            break
        with tempfile.TemporaryDirectory(prefix="reach-") as folder:
            plugin = pathlib.Path(shutil.copy(PLUGIN, folder))
            pathlib.Path(f"{plugin}.new").write_bytes(change(PLUGIN.read_bytes()))
            prefix = [*(mounting if how == "mount" else []), "env", f"REACH_REPLACE={how}"]
            status, output, statistics = run("plain", "got+inline", "any", plugin, prefix, preloaded=[plugin])
        row = next((row for row in statistics.get("sites", []) if PLUGIN.name in row["object"]), {})
        served = {kind for kind in KINDS if f"{kind} served" in output or f"{kind} both" in output}
        if status or not row.get("unpatchable") or served != possible(wanted, output):
            return f"{how}, {change.__name__}: exit status {status}, {row}:\n{output}"
    return None


def problem_of_missing():
    """Without hooks.so everything else works, and one line says so."""
    with tempfile.TemporaryDirectory(prefix="reach-") as folder:
        library = shutil.copy(LIBRARY, folder)
        status, output, _ = run("plain", "inline", "any", PLUGIN, library=library)
    lines = [line for line in output.splitlines() if line.startswith("keepwarm: ")]
    if status or "fresh" not in output or "symbol served" not in output or len(lines) != 1:
        return f"exit status {status}:\n{output}"
    return None


FILTERED = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
# mprotect (10) with PROT_EXEC (4), as it seals a thunk: killed. All else is allowed.
rows = [(0x20, 0, 0, 0), (0x15, 0, 4, 10), (0x20, 0, 0, 32), (0x54, 0, 0, 4), (0x15, 0, 1, 4), (0x06, 0, 0, 0x80000000),
        (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
program = struct.pack("HxxxxxxQ", len(rows), ctypes.addressof(code))
libc.prctl(38, 1, 0, 0, 0)
if libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0): sys.exit(77)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def problem_of_filter():
    """A seccomp filter kills at what hooks.so would do later: it is not used, and all else works."""
    status, output, _ = run("plain", "inline", "any", PLUGIN, [sys.executable, "-c", FILTERED])
    if status == SKIP:
        print("skipped: no seccomp filter can be installed here")
        return None
    if status or "fresh" not in output or "symbol served" not in output or "instruction real" not in output:
        return f"exit status {status}:\n{output}"
    return None


def main():
    if not PLUGIN.exists() or not (BUILD / ".libs/hooks.so").exists():
        print("SKIP: hooks.so was not built")
        return SKIP
    need_scan = os.path.join(os.environ["top_srcdir"], "test", "kernels", "need-scan")
    if subprocess.run([need_scan], check=False).returncode:
        return SKIP
    if "vector refused" in run("plain", "plt", "any", PLUGIN)[1]:
        print("skipped: process_madvise, which this kernel refuses by PIDFD_SELF (Linux 6.14 has it)")
    failed = 0
    others = {"hooks.so missing": problem_of_missing, "a replaced file": problem_of_replaced,
              "a killing filter": problem_of_filter}
    if shutil.which("strace") and not subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode:
        others["counts"] = problem_of_counts
    else:
        print("skipped: no strace here, or it may not trace")
    for name, problem in others.items():
        found = problem()
        print(f"{'FAIL' if found else 'ok'}: {name}{': ' + found if found else ''}")
        failed += found is not None
    for case in CASES:
        problem = problem_of(case)
        print(f"{'FAIL' if problem else 'ok'}: {case[0]}, hooks={case[1]}, {case[2]}, {case[3].name}"
              f"{': ' + problem if problem else ''}")
        failed += problem is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
