"""What keepwarm ab found, as one document (schema keepwarm-ab/1) from which table, CSV and page are made."""

import csv
import datetime
import json
import os
import platform

from keepwarm_command import arms as arms_module
from keepwarm_command import counters, paths, statistics

SCHEMA = "keepwarm-ab/1"
ALSO = ("cpu_seconds", "peak_rss_bytes", "page_faults")
NOTHING_SERVED = 3


def read_first_line(path, prefix=""):
    """What follows a prefix in the first line of a file that has it; None if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((line.removeprefix(prefix).strip() for line in file if line.startswith(prefix)), None)
    except OSError:
        return None


def machine():
    """The computer that this ran on."""
    cpu = read_first_line("/proc/cpuinfo", "model name")
    thp = read_first_line("/sys/kernel/mm/transparent_hugepage/enabled") or ""
    return {"kernel": platform.release(), "cpu": (cpu or platform.machine()).lstrip(": \t"), "cpus": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            "thp": thp.partition("[")[2].partition("]")[0] or None}


def improvements(pairs, better):
    """Of each pair, how many times better the candidate is."""
    values = [[getattr(pair, name).figures["value"] for pair in pairs] for name in "ab"]
    return statistics.ratios(*(values if better == "lower" else reversed(values)))


def comparative(metric):
    """The words for 'better' and 'worse', and for as good: time has its own."""
    return ("as fast", "faster", "slower") if metric["name"] == "seconds" else ("as good", "better", "worse")


def verdict(pairs, metric):
    """The verdict's part of the document."""
    found = statistics.estimate(improvements(pairs, metric["better"]))
    difference = statistics.shows_difference(found)
    return {"ratio": found.ratio, "low": found.low, "high": found.high, "pairs": len(pairs),
            "coverage": found.coverage, "difference": difference, "words": verdict_words(found, len(pairs), metric)}


def verdict_words(found, pairs, metric):
    """An Estimate in words."""
    as_good, better, worse = comparative(metric)
    if found.coverage is None:
        return f"no verdict: {pairs} pair{'s' * (pairs != 1)}, and it takes {statistics.LEAST_PAIRS}"
    interval = (f"{found.coverage:.1%} confidence interval {found.low:.3f} to {found.high:.3f}, "
                f"{pairs} pairs")
    if not statistics.shows_difference(found):
        return f"~ no difference shown: {found.ratio:.3f} times {as_good} ({interval})"
    return f"{better if found.ratio > 1 else worse}: {found.ratio:.3f} times {as_good} ({interval})"


def change(pairs, figure):
    """How many times the baseline's a figure of the candidate is; nothing where one of them is 0."""
    values = [[getattr(pair, name).figures[figure] for pair in pairs] for name in "ba"]
    if any(value <= 0 for value in [*values[0], *values[1]]):
        return {"ratio": None, "low": None, "high": None}
    found = statistics.estimate(statistics.ratios(*values))
    return {"ratio": found.ratio, "low": found.low, "high": found.high}


def totals(pairs, arm):
    """The statistics of an arm, added up over all its runs and their processes."""
    return counters.add([document for pair in pairs for document in getattr(pair, arm.name).documents])


def watched(arms):
    """The arm whose calls must have been served: the candidate, unless only the baseline has the library."""
    having = [arm for arm in reversed(arms) if arm.keepwarm]
    return having[0] if having else None


def counters_line(arms, counted):
    """What the library did, in one line."""
    arm = watched(arms)
    if not arm:
        return "candidate: runs without keepwarm, and so does the baseline"
    name = "candidate" if arm.name == "b" else "candidate: runs without keepwarm; baseline"
    return f"{name}: {counters.line(counted[arm.name])}"


def nothing_served(arms, counted):
    """Whether the arm that should have served calls served none."""
    arm = watched(arms)
    return bool(arm) and not counted[arm.name]["served"]


def document(pairs, arms, about):
    """The report. about: what the command line says of it (command, metric, seed, warmup, reproduce, server)."""
    counted = {arm.name: totals(pairs, arm) for arm in arms if arm.keepwarm}
    also = {figure: change(pairs, figure) for figure in ALSO}
    return {
        "schema": SCHEMA, "version": paths.VERSION, **about,
        **{arm.name: {"label": arm.label, "settings": arm.settings} for arm in arms},
        "pairs": [{"order": pair.order, "a": pair.a.figures, "b": pair.b.figures} for pair in pairs],
        "verdict": verdict(pairs, about["metric"]), "also": also,
        "counters": counted, "counters_line": counters_line(arms, counted),
        "machine": machine(), "environment": {arm.name: arms_module.changes(arm) for arm in arms},
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def write_json(report, path):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")


COLUMNS = ["pair", "order", "arm", "value", "seconds", "cpu_seconds", "peak_rss_bytes", "page_faults", "exit_status"]


def write_csv(report, path):
    """A row a run, in the order in which they ran."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for number, pair in enumerate(report["pairs"], 1):
            for arm in pair["order"]:
                writer.writerow({**pair[arm], "pair": number, "order": pair["order"], "arm": arm})
