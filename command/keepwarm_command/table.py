"""The report of keepwarm ab in a terminal."""

import os
import textwrap

from keepwarm_command import counters, statistics
from keepwarm_command.report import comparative, improvements

WIDTH = 80
BOLD, PLAIN = "\033[1m", "\033[0m"


def number(value):
    """Four significant digits or more, with thousands set apart, in at most 11 characters."""
    return f"{value:,.0f}" if 1000 <= value < 1e9 else f"{value:.4g}"


def ratio_text(value):
    return f"{value:.3f}" if 0.001 <= value < 10 else number(value)


FIGURES = [("cpu_seconds", "CPU seconds", number), ("peak_rss_bytes", "peak RSS", counters.size),
           ("page_faults", "page faults", number)]


def percent(ratio):
    """A ratio as a change: +12.3%, and for large ones x 34."""
    return f"{ratio - 1:+.1%}" if ratio < 10 else f"x {number(ratio)}"


def change_words(change):
    if change["ratio"] is None:
        return ""
    if change["low"] is None:
        return percent(change["ratio"])
    return f"{percent(change['ratio'])} ({percent(change['low'])} to {percent(change['high'])})"


def ratio_words(report):
    """The improvement and its interval, for the metric's row."""
    verdict = report["verdict"]
    if verdict["ratio"] is None:
        return ""
    interval = "" if verdict["low"] is None else f" ({ratio_text(verdict['low'])} to {ratio_text(verdict['high'])})"
    return f"{ratio_text(verdict['ratio'])} x {comparative(report['metric'])[0]}{interval}"


def row(what, values, words):
    return f"{what:<21} {values[0]:>11} {values[1]:>11}  {words}".rstrip()


def medians(report, figure, write):
    return [write(statistics.median([pair[name][figure] for pair in report["pairs"]])) for name in "ab"]


def rows(report):
    """The lines of the table; none without a pair."""
    if not report["pairs"]:
        return []
    metric = report["metric"]
    name = "seconds" if metric["name"] == "seconds" else "metric"
    wanted = f"{name}, {metric['better']} better"
    yield row("median of runs", ("a", "b"), "b against a")
    yield row(wanted, medians(report, "value", number), ratio_words(report))
    for figure, what, write in FIGURES:
        yield row(what, medians(report, figure, write), change_words(report["also"][figure]))


def wrap(text, first=""):
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent="   ", break_on_hyphens=False) or [first]


def arm_words(report, name):
    """What an arm is, and what is set in it."""
    arm = report[name]
    return "\n".join(wrap(arm["label"], f"{name}: "))


def status_note(report):
    """A line for programs that do not end with 0, but alike in all runs."""
    statuses = {pair[name]["exit_status"] for pair in report["pairs"] for name in "ab"} - {0}
    return [f"Note: every run ended with exit status {statuses.pop()}."] if statuses else []


def render(report, color):
    """The report as text, its last line what the library did. color: whether escapes may be used."""
    lines = [arm_words(report, "a"), arm_words(report, "b"), "", *rows(report), *status_note(report), ""]
    words = "\n".join(wrap(report["verdict"]["words"]))
    lines.append(f"{BOLD}{words}{PLAIN}" if color else words)
    lines.append(report["counters_line"])
    return "\n".join(lines) + "\n"


def may_color(file):
    """Whether a file is a terminal of somebody who has nothing against colors."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Progress:
    """Says on a file, while the pairs run, how far they are: one line on a terminal, else one a pair."""

    def __init__(self, file, count, metric):
        self.file, self.count, self.metric = file, count, metric
        self.rewrites = file.isatty() and os.environ.get("TERM") != "dumb"

    def line(self, text):
        """What shows a line; on a terminal in place of the one before, and no more than fits: the rest would stay."""
        if not self.rewrites:
            return f"{text}\n"
        room = min(WIDTH, os.get_terminal_size(self.file.fileno()).columns or WIDTH) - 1
        return f"\r{text[:room]:<{room}}"

    def say(self, text):
        self.file.write(self.line(text))
        self.file.flush()

    def pair(self, pair_number, pair):
        """A pair is done; numbers below 1 are warm-up."""
        a, b = pair.a.figures["value"], pair.b.figures["value"]
        ratio, = improvements([pair], self.metric["better"])
        place = f"pair {pair_number} of {self.count}" if pair_number > 0 else "warm-up"
        self.say(f"{place}: a {number(a)}, b {number(b)}, {ratio_text(ratio)} x {comparative(self.metric)[0]}")

    def close(self):
        """Leaves the terminal's line empty."""
        if self.rewrites:
            self.file.write(self.line("") + "\r")
            self.file.flush()
