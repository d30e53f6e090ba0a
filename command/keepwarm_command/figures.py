"""What a report of `keepwarm ab` (schema keepwarm-ab/1) says, as figures and as words. Pure functions."""

import math

from keepwarm_command import counters


def measured(value):
    """Whether a report holds a finite number there."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def column(report, arm, key="value"):
    """One number of every run of an arm that has it, in the order of the pairs."""
    return [pair[arm][key] for pair in report["pairs"] if measured(pair[arm].get(key))]


def pair_ratio(report, pair):
    """How many times as good b's run is as a's of the same pair; None where a value of zero leaves no ratio."""
    worse, better = pair["a"].get("value"), pair["b"].get("value")
    if report["metric"]["better"] == "lower":
        worse, better = better, worse
    if not (measured(worse) and measured(better) and worse > 0 and better > 0):
        return None
    return better / worse


def has_interval(row):
    """Whether a row of the report, the verdict say, has a ratio and an interval."""
    return bool(row) and all(measured(row.get(key)) for key in ("ratio", "low", "high"))


def number(value, unit=""):
    """A figure with four significant digits, and its unit: '201,155', '12.35 ms', '1.2e+18'."""
    if not measured(value):
        return "–"
    if unit == "B":
        return counters.size(value)
    if unit == "s" and 0 < abs(value) < 1:
        value, unit = (value * 1e3, "ms") if abs(value) >= 1e-3 else (value * 1e6, "µs")
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def ratio_text(ratio, digits):
    """A ratio with so many decimals; with so many significant digits where it is tiny or huge."""
    return f"{ratio:,.{digits}f}" if 0.1 <= ratio < 1e6 else f"{ratio:.{digits}g}"


def times(*ratios):
    """Ratios as texts of two digits, or as few more as tell them from each other and from 1."""
    distinct = len({*ratios, 1.0})
    for digits in range(2, 6):
        texts = [ratio_text(ratio, digits) for ratio in ratios]
        if len({*texts, ratio_text(1.0, digits)}) == distinct:
            break
    return texts


def percent(share):
    """A coverage in words: '97.9%'. It is never rounded up to certainty."""
    return f"{share:.1%}" if share < 0.9995 else "more than 99.9%"


def quality(report):
    """What the ratio is a ratio of: '... times as fast'."""
    return "as fast" if report["metric"]["name"] == "seconds" else "as good"


def headline(report):
    """(kind, words): kind is better, worse, same, or none when too few pairs were measured for a verdict."""
    verdict = report.get("verdict")
    if not has_interval(verdict):
        return "none", "No verdict"
    if not verdict["difference"]:
        return "same", "No difference shown"
    ratio = f"{times(verdict['ratio'], verdict['low'], verdict['high'])[0]} times {quality(report)}"
    if verdict["ratio"] > 1:
        return "better", ratio
    return "worse", f"{'Slower' if quality(report) == 'as fast' else 'Worse'}: {ratio}"


def pairs_text(count):
    return f"{count} pair{'s' * (count != 1)} of runs"


def sentence(report):
    """The headline's interval in words."""
    verdict = report.get("verdict") or {}
    if not has_interval(verdict):
        ratio = verdict.get("ratio")
        so_far = f"; so far {times(ratio)[0]} times {quality(report)}" if measured(ratio) else ""
        return f"{pairs_text(len(report['pairs']))} measured: too few to tell{so_far}."
    _, low, high = times(verdict["ratio"], verdict["low"], verdict["high"])
    told = (f"With {percent(verdict['coverage'])} confidence between {low} and {high} times {quality(report)}, "
            f"from {pairs_text(verdict['pairs'])}.")
    return told if verdict["difference"] else f"{told} That includes 1.00, no change."


def statistics_of(report, arm):
    """The added-up statistics of an arm's runs, or None."""
    return (report.get("counters") or {}).get(arm)


def nothing_served(report):
    """Whether the arm that had keepwarm, the candidate if both had, served no call."""
    counted = statistics_of(report, "b") or statistics_of(report, "a")
    return counted is not None and not counted["served"]


def thinned(items, most):
    """At most so many of the items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]
