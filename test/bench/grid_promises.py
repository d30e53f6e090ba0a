"""What is promised by name, each with the points that it needs and the ratio that is wanted."""

import statistics
from typing import Callable, NamedTuple

import grid_judge
from grid_points import GIB, KIB, MIB, PAGE, Point

REPEATS = 3


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
        return self.value >= self.limit if self.relation == ">=" else self.value <= self.limit


def ratios(bench, point, rival, limit, what):
    """Lines for keepwarm's speed over one rival's, on all rounds; the promise is made for vma=cache."""
    table = grid_judge.by_strategy(bench.run(point), "cycles_per_second")
    rounds = sorted(table[rival])
    return [Line(f"{what}: {ours} / {rival}", grid_judge.ratio(table, ours, rival, rounds), ">=", limit)
            for ours in grid_judge.OURS]


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
        for dirty in pages, pages - pages // 5:
            point = Point(size, dirty, "dense")
            lines += ratios(bench, point, "blind", 0.95, f"{size // KIB} KiB, {dirty} of {pages} pages dirty")
    return lines


def wandering(bench):
    """10,000 cycles from the very first on, a tenth of them in each round."""
    lines = []
    for point in (Point(4 * MIB, 8, set="wandering"), Point(16 * MIB, 16, set="wandering"),
                  Point(MIB, 16, "dense", "image", set="wandering")):
        rows = bench.run(point, "--cycles=1000", "--rounds=10", "--warmup=0", "--slots=1")
        what = f"wandering writer, {point.name}, {point.pages} pages"
        real = grid_judge.last(rows, "real", "resident_bytes")
        for ours in grid_judge.OURS:
            lines += [
                Line(f"{what}: resident after 10,000 cycles, {ours} / real",
                     grid_judge.last(rows, ours, "resident_bytes") / real, "<=", 1.25),
                Line(f"{what}: last tenth / first, {ours}", grid_judge.tenths(rows, ours), ">=", 0.97)]
    return lines


def scaling(bench):
    """Two threads with slots of their own over one, in turns."""
    lines = []
    for point in (Point(64 * KIB, 16, "dense"), Point(MIB, 2, "scattered", "image"),
                  Point(4 * MIB, 200, "scattered", "image")):
        found = {name: [] for name in (*grid_judge.OURS, *grid_judge.RIVALS)}
        for _ in range(REPEATS):
            one, two = (grid_judge.medians(bench.run(point._replace(threads=threads)), "cycles_per_second")
                        for threads in (1, 2))
            for name, values in found.items():
                values.append(two[name] / one[name])
        lines += [Line(f"2 threads / 1, {point.name}: {name}", statistics.median(values), ">=",
                       1.8 if name in grid_judge.OURS else 0) for name, values in found.items()]
    return lines


def reservation(bench):
    """64 GiB passed whole, as JavaScriptCore does."""
    lines = []
    for dirty in 2, 64:
        rows = bench.run(Point(64 * GIB, dirty, "scattered"))
        resets, cycles = (grid_judge.by_strategy(rows, figure) for figure in ("reset_ns", "cycles_per_second"))
        rounds = sorted(resets["real"])
        for ours in grid_judge.OURS:
            what = f"64 GiB passed whole, {dirty} dirty: {ours} over real"
            lines += [Line(f"{what}, the reset", grid_judge.ratio(resets, ours, "real", rounds), "<=", 1.2),
                      Line(f"{what}, the cycle", grid_judge.ratio(cycles, "real", ours, rounds), "<=", 1.2)]
    return lines


def lock_hold(bench):
    """How long another thread's mprotect waits, at most, while ranges with many dirty pages are reset."""
    rows = bench.run(Point(GIB, 16384, "scattered", bystander="mprotect"))
    slowest = grid_judge.medians(rows, "bystander_slowest_ns")
    return [Line(f"slowest mprotect beside resets of 1 GiB with 64 MiB dirty (median of the rounds): {name}",
                 value / 1000, "<=", 200 if name in grid_judge.OURS else float("inf"), "us")
            for name, value in slowest.items()]


PROMISES = [
    Promise("scattered", many_scattered),
    Promise("untouched", mostly_untouched),
    Promise("small", small_and_dirty),
    Promise("wandering", wandering),
    Promise("scaling", scaling),
    Promise("reservation", reservation),
    Promise("lock", lock_hold),
]
