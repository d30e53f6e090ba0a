"""What is promised by name, each with the points that it needs and the ratio that is wanted."""

import statistics
from typing import Callable, NamedTuple

import grid_judge
from grid_points import GIB, KIB, MIB, PAGE, Point

REPEATS = 3
LONG_REPEATS = 9
KEEPWARM = ("keepwarm-check", "keepwarm-cache")
LOCKERS = "real,scan,keepwarm-cache"  # whose locks a bystander waits for
INFORMS = None  # the limit of a figure that is only shown beside others


class Promise(NamedTuple):
    name: str
    measure: Callable  # bench -> [Line]


class Line(NamedTuple):
    """One figure, and the limit for it: at least, or at most."""
    what: str
    value: float
    relation: str
    limit: float
    unit: str = "x"

    @property
    def met(self):
        """'yes', 'NO', or nothing without a limit."""
        if self.limit is INFORMS:
            return ""
        good = self.value >= self.limit if self.relation == ">=" else self.value <= self.limit
        return "yes" if good else "NO"


def ratios(bench, point, rival, limit, what):
    """Lines for keepwarm's speed over one rival's, on all rounds; the promise is made for vma=cache."""
    table = grid_judge.by_strategy(bench.run(point), "cycles_per_second")
    rounds = sorted(table[rival])
    return [Line(f"{what}: {ours} / {rival}", grid_judge.ratio(table, ours, rival, rounds), ">=", limit)
            for ours in grid_judge.ours_of(table)]


def many_scattered(bench):
    lines = []
    for threads, limit in (1, 10), (2, 15):
        point = Point(4 * MIB, 200, "scattered", "image", threads=threads)
        lines += ratios(bench, point, "intree", limit, f"4 MiB, 200 scattered, {threads} threads")
    return lines


def mostly_untouched(bench):
    return ratios(bench, Point(4 * GIB, 2), "intree", 4, "4 GiB, 2 dirty")


def small_and_dirty(bench):
    lines = []
    for size in 16 * KIB, 64 * KIB:
        pages = size // PAGE
        for dirty in pages, pages * 13 // 16:
            point = Point(size, dirty, "dense")
            lines += ratios(bench, point, "blind", 0.95, f"{size // KIB} KiB, {dirty} of {pages} pages dirty")
    return lines


def wandering(bench):
    """10,000 cycles from the very first on, a tenth of them in each round; each strategy in a process of its own,
    whose resident memory is then its own too. In turns: a tenth is so short that the machine's own pace moves it."""
    lines = []
    for point in (Point(4 * MIB, 8, set="wandering"), Point(16 * MIB, 16, set="wandering"),
                  Point(MIB, 16, "dense", "image", set="wandering")):
        turns = [{strategy: bench.run(point, "--cycles=1000", "--rounds=10", "--warmup=0", "--slots=1",
                                      f"--strategies={strategy}") for strategy in ("real", *KEEPWARM)}
                 for _ in range(LONG_REPEATS)]

        def over_real(ours, figure):
            return statistics.median(grid_judge.last(rows[ours], ours, figure) /
                                     grid_judge.last(rows["real"], "real", figure) for rows in turns)

        what = f"wandering writer, {point.name}"
        for ours in KEEPWARM:
            lines += [Line(f"{what}: {words} after 10,000 cycles, {ours} / real", over_real(ours, figure), "<=", limit)
                      for figure, words, limit in (("process_bytes", "resident in the process", 1.25),
                                                   ("resident_bytes", "resident in the slot", INFORMS))]
        for name in (*KEEPWARM, "real"):
            lines.append(Line(f"{what}: last tenth / first, {name}",
                              statistics.median(grid_judge.tenths(rows[name], name) for rows in turns), ">=",
                              0.97 if name in KEEPWARM else INFORMS))
    return lines


def scaling(bench):
    """Two threads with slots of their own over one, in turns."""
    lines = []
    for point in (Point(64 * KIB, 16, "dense"), Point(MIB, 2, "scattered", "image"),
                  Point(4 * MIB, 200, "scattered", "image")):
        found = {}
        for _ in range(REPEATS):
            one, two = (grid_judge.medians(bench.run(point._replace(threads=threads)), "cycles_per_second")
                        for threads in (1, 2))
            for name in sorted(one):
                found.setdefault(name, []).append(two[name] / one[name])
        lines += [Line(f"2 threads / 1, {point.name}: {name}", statistics.median(values), ">=",
                       1.8 if name in KEEPWARM else INFORMS) for name, values in found.items()]
    return lines


def reservation(bench):
    """64 GiB passed whole, as JavaScriptCore does."""
    lines = []
    for dirty in 2, 64:
        rows = bench.run(Point(64 * GIB, dirty, "scattered"))
        resets, cycles = (grid_judge.by_strategy(rows, figure) for figure in ("reset_ns", "cycles_per_second"))
        rounds = sorted(resets["real"])
        for ours in KEEPWARM:
            what = f"64 GiB passed whole, {dirty} dirty: {ours} over real"
            lines += [Line(f"{what}, the reset", grid_judge.ratio(resets, ours, "real", rounds), "<=", 1.2),
                      Line(f"{what}, the cycle", grid_judge.ratio(cycles, "real", ours, rounds), "<=", 1.2)]
    return lines


def lock_hold(bench):
    """How long another thread's mprotect of its own memory waits while ranges are reset: one in 1000 waits longer.
    What it waits for a CPU is left out. Blind restores of 64 KiB take no lock: beside them is the machine's noise."""
    clean = GIB // PAGE - 64
    lines = []
    for point, strategies, extra in (
            (Point(64 * KIB, 16, "dense", bystander="mprotect"), "blind", ()),
            (Point(4 * GIB, 256, bystander="mprotect"), LOCKERS, ()),
            (Point(GIB, 16, bystander="mprotect"), LOCKERS, ("--image=1G", f"--read={clean}", "--warmup=2")),
            (Point(64 * MIB, 64, bystander="mprotect"), LOCKERS, ()),
            (Point(64 * MIB, 16384, "dense", bystander="mprotect"), LOCKERS, ())):
        rows = bench.run(point, "--seconds=0.2", f"--strategies={strategies}", *extra)
        for figure, words in (("median", "half"), ("hundredth", "1 %"), ("thousandth", "0.1 %"), ("slowest", "slowest")):
            for name, rounds in sorted(grid_judge.by_strategy(rows, f"bystander_{figure}_ns").items()):
                promised = name in KEEPWARM and figure == "thousandth"
                what = f"mprotect beside {point.name}{' of an image that is read' if extra else ''}, {name}, {words}"
                lines.append(Line(what, statistics.median(rounds.values()) / 1000, "<=", 200 if promised else INFORMS,
                                  "us"))
    return lines


PROMISES = [
    Promise("scattered", many_scattered),
    Promise("untouched", mostly_untouched),
    Promise("small", small_and_dirty),
    Promise("wandering", wandering),
    Promise("scaling", scaling),
    Promise("reservation", reservation),
    Promise("lock", lock_hold),
]
