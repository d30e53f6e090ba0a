"""Reports of `keepwarm ab` (schema keepwarm-ab/1) for the tests of the page, drawn from a seed."""

import copy
import math
import random

HOSTILE = "<script>fail()</script> & \"'$\\frac{x}$ \x01 \udcff"


def timeline(random_source, seconds, rss_bytes, faults, samples=30):
    """Memory that fills at once and faults that add up evenly."""
    return [{"t": seconds * place / samples, "rss_bytes": int(rss_bytes * (place > 0) * random_source.uniform(0.97, 1)),
             "faults": int(faults * place / samples)} for place in range(samples)]


def run(random_source, seconds, rss_bytes, faults):
    seconds *= random_source.lognormvariate(0, 0.05)
    return {"value": seconds, "seconds": seconds, "cpu_seconds": seconds * 0.95, "peak_rss_bytes": rss_bytes,
            "page_faults": faults, "exit_status": 0, "timeline": timeline(random_source, seconds, rss_bytes, faults)}


def counted(calls, declined):
    """Statistics with these many calls forwarded for these reasons, all others served."""
    forwarded = sum(declined.values())
    return {"schema": "keepwarm-stats/1", "processes": 10, "calls": calls, "served": calls - forwarded,
            "forwarded": forwarded, "pages_restored": 3 * (calls - forwarded), "declined": declined,
            "rules": [{"rule": "anon,max=1M", "matched": calls, "served": calls - forwarded, "forwarded": forwarded,
                       "kept_bytes": 0}]}


def judge(report):
    """Gives a report of at least six pairs its verdict: here, median and extremes of the pairs' ratios."""
    power = 1 if report["metric"]["better"] == "higher" else -1
    ratios = sorted((pair["b"]["value"] / pair["a"]["value"]) ** power for pair in report["pairs"])
    count = len(ratios)
    low, high = (ratios[0], ratios[-1]) if count >= 6 else (None, None)
    report["verdict"] = {
        "ratio": math.sqrt(ratios[(count - 1) // 2] * ratios[count // 2]), "low": low, "high": high, "pairs": count,
        "coverage": None if low is None else 1 - 2 / 2**count, "words": "",
        "difference": None if low is None else not low <= 1 <= high}
    return report


def make(pairs=10, gain=4.6, seed=5):
    """A report of a candidate that is GAIN times as fast."""
    source = random.Random(seed)
    return judge({
        "schema": "keepwarm-ab/1", "version": "0.3.0", "command": ["./server", "--pool", "a b"],
        "a": {"label": "without keepwarm", "settings": ""}, "b": {"label": "with keepwarm", "settings": "-r anon"},
        "metric": {"name": "seconds", "unit": "s", "better": "lower"}, "seed": seed, "warmup": 1,
        "pairs": [{"order": source.choice(["ab", "ba"]), "a": run(source, 0.8, 30 << 20, 120000),
                   "b": run(source, 0.8 / gain, 42 << 20, 900)} for _ in range(pairs)],
        "also": {name: {"ratio": ratio, "low": ratio * 0.9, "high": ratio * 1.1} for name, ratio in
                 (("cpu_seconds", 1 / gain), ("peak_rss_bytes", 1.4), ("page_faults", 0.0075))},
        "counters": {"b": counted(151207, {"locked": 3, "no_rule": 1})}, "counters_line": "",
        "machine": {"kernel": "6.18.0", "cpu": "Some CPU", "cpus": 2, "memory_bytes": 8 << 30, "thp": "madvise"},
        "environment": {"a": {}, "b": {"LD_PRELOAD": "/usr/lib/libkeepwarm.so", "KEEPWARM_REGIONS": "anon,max=1M"}},
        "reproduce": "keepwarm ab -n 10 --seed 5 -r anon,max=1M -- ./server --pool 'a b'",
        "date": "2026-01-02T03:04:05+00:00"})


def with_runs(report, change):
    """The report after a change of every run, judged anew. change(arm, run)."""
    for pair in report["pairs"]:
        for arm in "ab":
            change(arm, pair[arm])
    return judge(report)


def hostile():
    """Text that is no text wherever a user or a program may put some."""
    report = make()
    report["command"] = [HOSTILE, "x"]
    report["metric"] = {"name": HOSTILE, "unit": "", "better": "lower"}
    for arm in "ab":
        report[arm] = {"label": f"{arm} {HOSTILE}", "settings": HOSTILE}
        report["environment"][arm] = {"KEEPWARM_REGIONS": HOSTILE}
    report["counters"]["b"]["declined"] = {HOSTILE: 2, "locked": 2}
    report["counters"]["b"]["rules"][0]["rule"] = HOSTILE
    report["machine"] = {name: HOSTILE for name in ("kernel", "cpu", "cpus", "thp")}
    return report | {"reproduce": HOSTILE, "date": HOSTILE, "version": HOSTILE}


def rate():
    """A metric by regex, more is better, with huge numbers."""
    report = make()
    report["metric"] = {"name": "requests_per_second_of_all_workers=([0-9.]+)", "unit": "", "better": "higher"}
    return with_runs(report, lambda arm, run: run.update(value=4e18 / run["seconds"]))


def equal():
    """Values of one arm that are all the same."""
    return with_runs(make(), lambda arm, run: arm == "a" and run.update(value=2))


def bare():
    """No samples, no counters, nothing about the machine, no settings."""
    report = with_runs(make(), lambda arm, run: run.pop("timeline"))
    return {name: value for name, value in report.items()
            if name not in ("counters", "machine", "environment", "also", "reproduce")}


def unserved():
    return make(gain=1) | {"counters": {"b": counted(500, {"no_rule": 480, "young": 20})}}


def server():
    """A server under load, and a check of what the load printed."""
    return make() | {"command": ["sh", "-c", "./serve -p 80"], "check": "grep -q ok", "server": {
        "command": "./serve -p 80", "ready": "80", "load": "wrk -d 1 http://127.0.0.1/"}}


def both():
    """Two settings of keepwarm compared."""
    report = make(gain=1.004)
    report["counters"]["a"] = copy.deepcopy(report["counters"]["b"])
    report["a"] = {"label": "-o keep=64K -o budget=10% -r anon,max=1M", "settings": ""}
    return report


def zero():
    """A metric that is 0 in some runs, and faults that are 0 in all: no ratio there."""
    report = make()
    report["pairs"][0]["b"]["value"] = 0
    report["also"]["page_faults"] = {"ratio": None, "low": None, "high": None}
    return report


CASES = {"faster": make, "slower": lambda: make(gain=0.7), "same": lambda: make(gain=1.0),
         "few": lambda: make(pairs=3), "one": lambda: make(pairs=1), "many": lambda: make(pairs=200),
         "none": lambda: make() | {"pairs": [], "verdict": {"ratio": None, "low": None, "high": None, "pairs": 0,
                                                            "coverage": None, "difference": None, "words": ""}},
         "zero": zero, "hostile": hostile, "rate": rate, "equal": equal, "bare": bare,
         "unserved": unserved, "both": both,
         "server": server}
