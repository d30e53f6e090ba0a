"""What mode=observe counted, turned into rules that pay. Pure: rows of the statistics' `observed` in, settings out.

The estimate, for the calls of a row: serving them saves the real call and a page fault for each page that came back
after an earlier call dropped it; it costs the questions about the mapping, the scan, and writing the dirty pages."""

import re
from collections import namedtuple

PAGE = 4096
# Less than this share of what all rules save is not worth another selector.
WORTH_A_SELECTOR = 0.03
# Less than this share of the command's CPU time is nothing: what the suggestion would bring is lost in noise.
WORTH_SUGGESTING = 0.02
# Calls that bring less than this share are not worth a kind of hooks.
WORTH_A_HOOK = 0.01
# The least that a real call and a scan cost, on Linux 6.18, and what a dirty page costs to restore.
REAL_CALL_NS, SCAN_NS, RESTORE_NS = 450, 600, 60
FAULT_NS = 1000  # where none was measured
NAME_MOST = 127  # bytes of a name in the statistics: a longer one is cut

Rule = namedtuple("Rule", "text rows")
Suggestion = namedtuple("Suggestion", "regions hooks saved_ns cached_ns stable")


def fault_cost(rows, system_ns):
    """What a page fault costs where these rows come from, in ns. Some were measured, on a page of the library's own; the
    command's may be cheaper, and all of them took no more than is left of its system time."""
    faults, again = sum(row["faults"] for row in rows), sum(row["again"] for row in rows)
    measured = sum(row["fault_ns"] for row in rows) / faults if faults else FAULT_NS
    left = system_ns - sum(row["call_ns"] + row["ask_ns"] + row["scan_ns"] for row in rows)
    return min(measured, max(0, left) / again) if again else measured


def is_servable(row):
    return row["hindrance"] == "" and row["size"] > 0


def kept_share(row):
    """The share of a row's pages that a reset answers itself: it leaves huge and swapped ones to the real call."""
    pages = max(row["present"], row["to_kernel"])
    return 1 - row["to_kernel"] / pages if pages else 1


def spent_ns(row, fault_ns):
    """What the row's calls cost now: the real calls, and the faults after them."""
    return row["call_ns"] + row["again"] * fault_ns


def reset_ns(row):
    """What resets cost in their place."""
    return row["ask_ns"] + row["scan_ns"] + row["dirty"] * RESTORE_NS


def saved_ns(row, fault_ns):
    return spent_ns(row, fault_ns) * kept_share(row) - reset_ns(row)


def saved_by(rules, rows, fault_ns):
    """What serving the rows of these rules, out of all rows, saves in ns. The parts of a call that spans several
    mappings hang together: if any is served, the kernel is asked about all of them, and those left over take a call of
    their own; those of one rule are scanned together."""
    rule_of = {id(row): i for i, rule in enumerate(rules) for row in rule.rows}
    calls = {}
    for row in rows:
        calls.setdefault((row["caller"], row["size"], row["calls"]), []).append(row)
    total = 0
    for (_, _, times), parts in calls.items():
        kept = [row for row in parts if id(row) in rule_of]
        if kept:
            scans = len({rule_of[id(row)] for row in kept})
            total += sum(saved_ns(row, fault_ns) for row in kept) + (len(kept) - scans) * times * SCAN_NS
            total -= sum(row["ask_ns"] + times * REAL_CALL_NS for row in parts if id(row) not in rule_of)
    return total


def pattern(name):
    """A name as a pattern that is written in a rule: what a rule or a pattern reads as something else is replaced."""
    return re.sub(r"([,;])", r"\\\1", re.sub(r"[*?\[\]\\]", "?", name))


def mapping_selector(mapping):
    """The selector of a kind of memory. What follows a digit in a memfd's name may be another in the next run."""
    if mapping == "anon":
        return "anon"
    if mapping.startswith("memfd:"):
        return f"file={pattern(re.split(r'[0-9]', mapping)[0])}*"
    return f"file={pattern(mapping)}" + "*" * (len(mapping.encode()) >= NAME_MOST)


def size_text(count):
    """A size as rules write it: 64K."""
    for unit, letter in ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")):
        if count >= unit and count % unit == 0:
            return f"{count // unit}{letter}"
    return str(count)


def whole(selector, rows, fault_ns):  # pylint: disable=unused-argument
    """One rule for all of these rows."""
    return [Rule(selector, rows)]


def limited(selector, rows, fault_ns):
    """The same rule for those sizes of calls, from one to another, that together save most."""
    sizes = sorted({row["size"] for row in rows})

    def between(low, high):
        return [row for row in rows if low <= row["size"] <= high]

    ends = [(low, high) for low in sizes for high in sizes if low <= high]
    low, high = max(ends, key=lambda both: sum(saved_ns(row, fault_ns) for row in between(*both)))
    selector += f",min={size_text(low)}" * (low > sizes[0])
    selector += f",max={size_text(2 * high - PAGE)}" * (high < sizes[-1])
    return [Rule(selector, between(low, high))]


def by_caller(make, selector, rows, fault_ns):
    """A rule for each caller that saves something."""
    rules = []
    for caller in sorted({row["caller"] for row in rows} - {"other", "unknown", "no file"}):
        rules += make(f"{selector},caller={pattern(caller)}", [row for row in rows if row["caller"] == caller], fault_ns)
    return [rule for rule in rules if sum(saved_ns(row, fault_ns) for row in rule.rows) > 0]


def ways_for(selector, rows, fault_ns):
    """Lists of rules for one kind of memory, the simplest first."""
    if all(saved_ns(row, fault_ns) + row["ask_ns"] + row["calls"] * SCAN_NS <= 0 for row in rows):
        return [[]]  # not even if another part of each call paid for the questions and the scan
    return [whole(selector, rows, fault_ns), [], limited(selector, rows, fault_ns),
            by_caller(whole, selector, rows, fault_ns), by_caller(limited, selector, rows, fault_ns)]


def first_enough(ways, rows, fault_ns):
    """The first of some lists of rules that saves as much as any, or nearly; what it saves."""
    saves = [saved_by(way, rows, fault_ns) for way in ways]
    enough = max(saves) - WORTH_A_SELECTOR * abs(max(saves))
    return next((way, saved) for way, saved in zip(ways, saves) if saved >= enough)


def choose_by_kind(rows, fault_ns):
    """Rules for each kind of memory that together save most, or nearly."""
    kinds = {}
    for row in rows:
        kinds.setdefault(mapping_selector(row["mapping"]), []).append(row)
    chosen = {selector: whole(selector, of_kind, fault_ns) for selector, of_kind in kinds.items()}
    # What is best for one kind depends on the others where calls span both: a second pass sees the first one's choice.
    for selector in [*kinds, *kinds]:
        others = sum((way for other, way in chosen.items() if other != selector), [])
        ways = [[*others, *way] for way in ways_for(selector, kinds[selector], fault_ns)]
        chosen[selector] = first_enough(ways, rows, fault_ns)[0][len(others):]
    return sum(chosen.values(), [])


def choose_rules(rows, fault_ns):
    """(the simplest rules that save as much as any, or nearly; ns saved)."""
    if not rows:
        return [], 0
    by_kind = choose_by_kind(rows, fault_ns)
    if len({mapping_selector(row["mapping"]) for rule in by_kind for row in rule.rows}) < 2:
        return by_kind, saved_by(by_kind, rows, fault_ns)
    # Rules for several kinds: one rule for all of them is simpler, and lets parts be scanned together.
    return first_enough([*ways_for("any", rows, fault_ns), by_kind], rows, fault_ns)


def base_name(path):
    return path.rpartition("/")[2]


def hooks_for(rows, sites):
    """The kinds of hooks through which the calls of these rows were seen, beside plt; in the order of the manual."""
    objects = {base_name(site["object"]): site for site in sites}
    kinds = set()
    for row in rows:
        site = objects.get(row["caller"], {})
        if row["at_sites"]:
            kinds.add("libc" if site.get("libc") else "inline")
        if row["at_sites"] < row["calls"]:
            # A pointer that was changed calls the same function as a symbol does.
            if site.get("got"):
                kinds.add("got")
            elif site.get("inline") and not site.get("plt"):
                kinds.add("inline")
    return [kind for kind in ("got", "inline", "libc") if kind in kinds]


def paying(rows, fault_ns):
    """Those of the rows that save a share worth having."""
    saves = [saved_ns(row, fault_ns) for row in rows]
    least = WORTH_A_HOOK * sum(value for value in saves if value > 0)
    return [row for row, value in zip(rows, saves) if value > least]


def stable_files(rows, fault_ns, least):
    """Files whose pages would be worth keeping if the user promised that nobody writes to them."""
    saved = {}
    for row in rows:
        if row["hindrance"] == "unsealed":
            saved[row["mapping"]] = saved.get(row["mapping"], 0) + saved_ns(row, fault_ns)
    return sorted(name for name, value in saved.items() if value >= least)


def busy_ns(observed, cpu_ns):
    """The time that savings are set against: the command's CPU time without what looking took."""
    return max(1, cpu_ns - sum(row["ask_ns"] + row["scan_ns"] for row in observed))


def suggest(observed, sites, cpu_ns, system_ns):
    """The Suggestion for a command that used cpu_ns of CPU time, system_ns of it in the kernel; all empty when nothing is
    to be gained.

    regions: for KEEPWARM_REGIONS; hooks: kinds for KEEPWARM; saved_ns: the estimate; cached_ns: what vma=cache in every
    rule would save on top; stable: files for which image=stable would pay."""
    fault_ns, least = fault_cost(observed, system_ns), WORTH_SUGGESTING * busy_ns(observed, cpu_ns)
    stable = stable_files(observed, fault_ns, least)
    rules, saved = choose_rules([row for row in observed if is_servable(row)], fault_ns)
    if not rules or saved < least:
        return Suggestion("", [], 0, 0, stable)
    rows = [row for rule in rules for row in rule.rows]
    return Suggestion(";".join(rule.text for rule in rules), hooks_for(paying(rows, fault_ns), sites), saved,
                      sum(row["ask_ns"] for row in rows), stable)
