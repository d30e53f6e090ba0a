"""Do the figures on a page, as (exact value, shown text), equal those of its report? Worked out anew from that."""

import decimal
import statistics

RUN = ("value", "cpu_seconds", "peak_rss_bytes", "page_faults")
UNITS = {"s": 1, "ms": 1e-3, "µs": 1e-6, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def intervals(report):
    """The ratios of the first table, row by row."""
    also = report.get("also", {})
    for row in (report["verdict"], *(also.get(name, {}) for name in RUN[1:])):
        yield [row[key] for key in ("ratio", "low", "high")] if row.get("low") is not None else []


def expected(report):
    """All figures in the order in which the page shows them."""
    pairs = report["pairs"]
    for name, ratios in zip(RUN, intervals(report)):
        yield from (statistics.median(pair[arm][name] for pair in pairs) for arm in "ab" if pairs)
        yield from ratios
    for arm in "ba":
        if counted := report.get("counters", {}).get(arm):
            yield from (counted["served"], counted["forwarded"], *sorted(counted["declined"].values(), reverse=True))
            for rule in counted["rules"]:
                yield from (rule["matched"], rule["served"], rule["forwarded"])
    for pair in pairs:
        yield from (pair[arm][name] for name in RUN for arm in "ab")
        a, b = pair["a"]["value"], pair["b"]["value"]
        if a > 0 and b > 0:
            yield b / a if report["metric"]["better"] == "higher" else a / b


def shows(text, value):
    """Whether a text such as '12.35 ms' is the value, rounded to the digits shown."""
    digits, _, unit = text.partition(" ")
    shown = decimal.Decimal(digits.replace(",", ""))
    half = 0.5 * 10.0 ** shown.as_tuple().exponent
    scaled = value / UNITS[unit or "s"]
    return abs(float(shown) - scaled) <= half + 1e-9 * abs(scaled)


def disagreements(report, found):
    """What differs: (place, exact value on the page, text on the page, the report's). None: all figures agree."""
    wanted = list(expected(report))
    if len(wanted) != len(found):
        return [f"{len(found)} figures on the page, {len(wanted)} in the report"]
    return [(place, *pair, value) for place, (pair, value) in enumerate(zip(found, wanted))
            if abs(float(pair[0]) - value) > 1e-12 * abs(value) or not shows(pair[1], value)]
