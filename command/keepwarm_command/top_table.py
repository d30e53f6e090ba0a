"""The table of keepwarm top: from two samples to sorted rows, and to lines of a width. Pure."""

import dataclasses

from keepwarm_command import counters

PAGE = 4096


@dataclasses.dataclass
class Sample:
    """What one look at a live file gave: the statistics, or in words why there are none."""

    word: str  # the PID or the path that was asked for
    time: float
    document: dict | None = None
    pid: int | None = None  # as known here
    ended: bool = False
    words: str = ""


@dataclasses.dataclass
class Counts:
    """Counters of a process, of a rule, or of all; reasons and restored are not known for a rule."""

    calls: int = 0
    served: int = 0
    forwarded: int = 0
    kept: int = 0
    restored: int | None = None
    reasons: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def of_process(cls, document):
        return cls(document["calls"], document["served"], document["forwarded"], document["kept_bytes"],
                   document["pages_restored"] * PAGE, document["declined"])

    @classmethod
    def of_rule(cls, rule):
        return cls(rule["matched"], rule["served"], rule["forwarded"], rule["kept_bytes"])

    def plus(self, other, sign=1):
        """The sum; with sign -1 what came since other, while kept is what is kept now."""
        reasons = {name: self.reasons.get(name, 0) + sign * other.reasons.get(name, 0)
                   for name in {*self.reasons, *other.reasons}}
        restored = None if other.restored is None else (self.restored or 0) + sign * other.restored
        kept = self.kept + other.kept if sign > 0 else self.kept
        return Counts(self.calls + sign * other.calls, self.served + sign * other.served,
                      self.forwarded + sign * other.forwarded, kept, restored, reasons)


@dataclasses.dataclass
class Row:
    """A line of the table. seconds: what the counts were counted in, or None: since the process started."""

    pid: int | None
    exe: str
    rule: str
    counts: Counts = dataclasses.field(default_factory=Counts)
    seconds: float | None = None
    words: str = ""  # in place of all columns behind EXE

    def per_second(self, number):
        return None if number is None or not self.seconds else number / self.seconds

    def share(self, number):
        return number / self.counts.calls if self.counts.calls else None


@dataclasses.dataclass
class Group:
    """A process and its rules; a process with one rule is one row."""

    process: Row
    rules: list = dataclasses.field(default_factory=list)
    verdicts: list = dataclasses.field(default_factory=list)


def top_reason(row):
    most = max(row.counts.reasons.items(), key=lambda pair: pair[1], default=("", 0))
    return most[0] if most[1] > 0 else ""


def show_number(number):
    """A rate in at most 5 characters: 0.4, 12, 3.1k, 120M."""
    if number is None:
        return "-"
    for unit in ("", "k", "M"):
        if number < 999.5:
            whole = number >= 99.95 or number == int(number)
            return f"{number:.0f}{unit}" if whole else f"{number:.1f}{unit}"
        number /= 1000
    return f"{number:.0f}G"


def show_bytes(number):
    """Bytes in at most 6 characters: 0, 64K, 1.5G."""
    if number is None:
        return "-"
    for unit in ("", "K", "M", "G", "T"):
        if abs(number) < 1023.5 or unit == "T":
            return f"{number:.1f}{unit}" if unit and number < 99.95 and number != int(number) else f"{number:.0f}{unit}"
        number /= 1024
    raise AssertionError


def show_share(share):
    """A percentage that says 100% and 0% only of all and of none."""
    if share is None:
        return "-"
    if share in (0, 1):
        return f"{share:.0%}"
    return "<1%" if share < 0.005 else ">99%" if share > 0.995 else f"{share:.0%}"


def show_forwarded(row):
    share = show_share(row.share(row.counts.forwarded))
    return f"{share} {top_reason(row)}".rstrip()


@dataclasses.dataclass(frozen=True)
class Column:
    """name: for -s; value: to sort by; width 0: what is left goes to it."""

    name: str
    title: str
    width: int
    value: object
    show: object
    is_text: bool = False


COLUMNS = [
    Column("pid", "PID", 7, lambda row: row.pid or 0, lambda row: str(row.pid or "")),
    Column("exe", "EXE", 11, lambda row: row.exe, lambda row: row.exe, True),
    Column("rule", "RULE", 0, lambda row: row.rule, lambda row: row.rule, True),
    Column("calls", "CALLS/S", 7, lambda row: row.per_second(row.counts.calls) or 0,
           lambda row: show_number(row.per_second(row.counts.calls))),
    Column("served", "SERVED%", 7, lambda row: row.share(row.counts.served) or 0,
           lambda row: show_share(row.share(row.counts.served))),
    Column("forwarded", "FORWARDED", 14, lambda row: row.share(row.counts.forwarded) or 0, show_forwarded, True),
    Column("restored", "RESTORED/S", 10, lambda row: row.per_second(row.counts.restored) or 0,
           lambda row: show_bytes(row.per_second(row.counts.restored))),
    Column("kept", "KEPT", 6, lambda row: row.counts.kept, lambda row: show_bytes(row.counts.kept)),
]
NAMES = [column.name for column in COLUMNS]
RULE_LEAST = 10


def verdicts_of(document):
    """What an A/B inside the process says so far, a line for each figure that it compares."""
    found = []
    for name, verdict in document.get("ab", {}).items():
        if isinstance(verdict, dict) and "words" in verdict:
            ratio = "{median:.2f}x ({low:.2f} to {high:.2f}), ".format(**verdict) if "median" in verdict else ""
            found.append(f"ab, {name.removesuffix('_ratio')}: {ratio}{verdict['words']}, {verdict['pairs']} pairs")
    return found


def same_process(before, after):
    """Do both samples count one process's calls on?"""
    return (before is not None and before.document is not None
            and before.document["pid"] == after.document["pid"]
            and before.document["calls"] <= after.document["calls"] and before.time < after.time)


def group_of(after, before=None):
    """The rows of one live file: of the time since the sample before, where there is one of the same process."""
    if after.document is None:
        return Group(Row(after.pid, "", "", words=f"{after.word}: {after.words}"))
    document = after.document
    if after.ended:
        return Group(Row(after.pid, document["exe"], "", words=f"ended: {counters.line(document)}"))
    earlier = before.document if same_process(before, after) else None
    seconds = after.time - before.time if earlier else None

    def interval(now, then):
        return now.plus(then, -1) if earlier else now

    total = interval(Counts.of_process(document), Counts.of_process(earlier or document))
    known = {rule["rule"]: Counts.of_rule(rule) for rule in (earlier or {}).get("rules", [])}
    rules = [Row(None, "", rule["rule"], interval(Counts.of_rule(rule), known.get(rule["rule"], Counts())), seconds)
             for rule in document["rules"]]
    name = rules[0].rule if len(rules) == 1 else f"({len(rules)} rules)"
    process = Row(after.pid, document["exe"], name, total, seconds)
    return Group(process, rules if len(rules) > 1 else [], verdicts_of(document))


def groups_of(samples, before):
    """A Group for each sample. before: the samples of the last look, by word."""
    return [group_of(sample, before.get(sample.word)) for sample in samples]


def sort(groups, name, backwards=False):
    """The groups, and the rules in them, by a column: numbers from the largest, names and PIDs from the smallest."""
    column = COLUMNS[NAMES.index(name)]
    largest_first = (not column.is_text or name == "forwarded") and name != "pid"
    how = {"key": column.value, "reverse": largest_first != backwards}
    ordered = sorted(groups, key=lambda group: how["key"](group.process), reverse=how["reverse"])
    return [dataclasses.replace(group, rules=sorted(group.rules, **how)) for group in ordered]


def total_of(groups):
    """One row for all that are running. A process that is new since the last look has a share in KEPT alone."""
    rows = [group.process for group in groups if not group.process.words]
    known = [row for row in rows if row.seconds]
    total = Counts(restored=0)
    for row in known or rows:
        total = total.plus(row.counts)
    total.kept = sum(row.counts.kept for row in rows)
    return Row(None, "total", f"({len(rows)} running)", total, known[0].seconds if known else None)


def cut(words, width):
    """Printable words of at most so many characters; what was cut ends with a +."""
    words = "".join(character if character.isprintable() else "?" for character in words)
    return words if len(words) <= width else words[:max(width - 1, 0)] + "+"[:width]


def widths(total):
    """The columns' widths on a line: RULE gets what is left."""
    fixed = sum(column.width for column in COLUMNS) + len(COLUMNS) - 1
    return [column.width or max(total - fixed, RULE_LEAST) for column in COLUMNS]


def line(cells, width):
    """Cells side by side, numbers to the right, on one line that is not longer than width."""
    padded = [cut(cell, size).ljust(size) if column.is_text else cut(cell, size).rjust(size)
              for cell, size, column in zip(cells, widths(width), COLUMNS)]
    return " ".join(padded)[:width].rstrip()


def row_line(row, width):
    if not row.words:
        return line([column.show(row) for column in COLUMNS], width)
    first, second = widths(width)[:2]
    start = f"{str(row.pid or '').rjust(first)} {cut(row.exe, second).ljust(second)} " if row.pid or row.exe else ""
    return cut(start + row.words, width)


def lines(groups, width):
    """(kind, text) of each line of the table. kind: head, process, rule, words, verdict or total."""
    made = [("head", line([column.title for column in COLUMNS], width))]
    for group in groups:
        made.append(("words" if group.process.words else "process", row_line(group.process, width)))
        made.extend(("rule", row_line(row, width)) for row in group.rules)
        made.extend(("verdict", cut(f"{'':8}{words}", width)) for words in group.verdicts)
    return [*made, ("total", row_line(total_of(groups), width))]
