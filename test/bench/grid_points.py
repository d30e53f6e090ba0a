"""The points of the grid: the whole of it, the chosen ones, and those that a promise names."""

from typing import NamedTuple

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE = 4 * KIB
RANGES = [8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, MIB, 2 * MIB, 4 * MIB, 16 * MIB,
          64 * MIB]
HUGE = [GIB, 4 * GIB]
SHARES = [0.01, 0.05, 0.10, 0.25, 0.50, 0.80, 1.0]
SETS = ["stable", "wandering", "phases"]
BLIND_LIMIT = 64 * MIB  # as in grid_strategies.c
STRATEGIES = 6


def size_name(count):
    """1048576: 1M"""
    for letter, unit in ("G", GIB), ("M", MIB), ("K", KIB):
        if count % unit == 0:
            return f"{count // unit}{letter}"
    return str(count)


class Point(NamedTuple):
    """Where the strategies are compared. dirty is a number of pages; call is the length passed, if not range."""
    range: int
    dirty: int
    layout: str = "scattered"
    memory: str = "anon"
    set: str = "stable"
    threads: int = 1
    processes: int = 1
    bystander: str = "none"
    call: int = 0

    @property
    def pages(self):
        return self.range // PAGE

    @property
    def image(self):
        """Bytes of the slot that map the image: a quarter, at least a page, at most 1 MiB."""
        return max(PAGE, min(self.range // 4 // PAGE * PAGE, MIB)) if self.memory == "image" else 0

    @property
    def slots(self):
        return 8 if self.range <= MIB else 2 if self.range <= 64 * MIB else 1

    @property
    def read(self):
        return min(max(1, self.dirty // 4), self.pages - self.dirty)

    @property
    def workers(self):
        return self.threads * self.processes

    @property
    def name(self):
        words = [size_name(self.range), f"{self.dirty} {self.layout}", self.memory, self.set,
                 f"{self.threads}t", f"{self.processes}p"]
        words += [f"beside {self.bystander}"] * (self.bystander != "none") + [f"call of {self.call}"] * bool(self.call)
        return ", ".join(words)

    @property
    def label(self):
        """The name without what most points have, for a plot."""
        return ", ".join(word for word in self.name.split(", ") if word not in ("anon", "stable", "1t", "1p"))

    @property
    def bytes_needed(self):
        """Memory that all strategies together keep."""
        touched = self.range if self.set == "wandering" and self.dirty else (self.dirty + self.read) * PAGE
        blind = self.range if self.range <= BLIND_LIMIT else 0
        return self.workers * self.slots * (STRATEGIES * touched + blind)

    def arguments(self):
        """For grid_point."""
        words = [f"--range={self.range}", f"--image={self.image}", f"--dirty={self.dirty}", f"--read={self.read}",
                 f"--set={self.set}", f"--slots={self.slots}", f"--threads={self.threads}",
                 f"--processes={self.processes}", f"--bystander={self.bystander}", f"--call={self.call}"]
        return words + ["--dense"] * (self.layout == "dense")


def counts(bytes_of_range, shares):
    """Dirty pages at these shares, each once, none of them 0."""
    pages = bytes_of_range // PAGE
    return sorted({max(1, round(pages * share)) for share in shares})


def possible(point):
    """Not two names for one point, and nothing that cannot be: scattered pages have gaps between them."""
    if point.dirty > point.pages or (point.layout == "scattered" and point.dirty > point.pages // 2):
        return False
    if point.layout == "dense" and point.dirty <= 1:
        return False
    return point.set == "stable" or 1 <= point.dirty < point.pages


def full():
    """Every point of the grid."""
    points = []
    for size in RANGES + HUGE:
        for dirty in [0, *sorted({1, *counts(size, SHARES)})]:
            for layout in "scattered", "dense":
                for memory in "anon", "image":
                    for kind in SETS:
                        for threads, processes in (1, 1), (2, 1), (16, 1), (1, 2), (1, 16), (2, 2), (2, 16):
                            points.append(Point(size, dirty, layout, memory, kind, threads, processes))
    return [point for point in points if possible(point)] + tables() + beside()


def tables():
    """A page and less: a table of 640 bytes is passed with its length, and all of its page goes."""
    return [Point(PAGE, 1, "dense", threads=threads, call=call)
            for call in (0, 640) for threads in (1, 2)]


def beside():
    """A thread that computes, or faults its own memory, while another one resets."""
    return [Point(size, dirty, bystander=what) for what in ("compute", "fault")
            for size, dirty in ((MIB, 2), (4 * MIB, 200))]


def chosen():
    """About 150 points that stand for the rest."""
    points = []
    for place, size in enumerate(RANGES):
        points += [Point(size, dirty, layout) for dirty in counts(size, [0, 0.1, 0.5, 1.0])
                   for layout in ("dense", "scattered")[place % 2:]]
        points += [Point(size, dirty, "scattered", "image") for dirty in counts(size, [0.01, 0.25])]
        points += [Point(size, counts(size, [0.80])[0], "dense", ("anon", "image")[place % 2])]
    points += [Point(size, 0) for size in (16 * KIB, MIB, 64 * MIB)]
    points += [Point(size, dirty, "scattered", memory, threads=2) for memory in ("anon", "image")
               for size in (64 * KIB, MIB, 4 * MIB) for dirty in counts(size, [0, 0.05])]
    points += [Point(size, counts(size, [1.0])[0], "dense", threads=2) for size in (16 * KIB, 256 * KIB, 4 * MIB)]
    points += [Point(size, counts(size, [0.1])[0], threads=16) for size in (64 * KIB, MIB, 4 * MIB)]
    points += [Point(size, counts(size, [0.1])[0], processes=processes) for size in (64 * KIB, MIB, 4 * MIB)
               for processes in (2, 16)]
    points += [Point(size, dirty, layout, set=kind) for kind in ("wandering", "phases")
               for size, layout in ((64 * KIB, "scattered"), (MIB, "scattered"), (4 * MIB, "dense"),
                                    (64 * MIB, "scattered"))
               for dirty in counts(size, [0.01, 0.25])]
    points += [Point(size, dirty, threads=threads) for size in HUGE for dirty in (2, 256) for threads in (1, 2)]
    points += [Point(GIB, counts(GIB, [0.05])[0], layout) for layout in ("scattered", "dense")]
    return list(dict.fromkeys(point for point in points if possible(point))) + tables() + beside()


def fitting(points, free_bytes):
    """Those that leave a third of the free memory alone."""
    return [point for point in points if point.bytes_needed < free_bytes * 2 // 3]
