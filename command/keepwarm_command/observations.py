"""What `keepwarm observe` prints: a table of the calls, what was missed, and the suggestion. Pure: text out."""

import shlex

from keepwarm_command import counters
from keepwarm_command.suggestion import (PAGE, RESTORE_NS, WORTH_SUGGESTING, busy_ns, fault_cost, is_servable,
                                         reset_ns, size_text, spent_ns)

ROWS_SHOWN = 20
HEADINGS = ("caller", "memory", "size", "calls", "dirty", "reused", "now us", "reset us")
# With a space between them, 80 columns.
WIDTHS = (12, 18, 5, 10, 5, 6, 7, 10)
WORTH_A_PROMISE = 0.1  # of what the rules save


def shortened(words, width):
    """Cut in the middle, where names differ least."""
    half = (width - 1) // 2
    return words if len(words) <= width else f"{words[:width - 1 - half]}~{words[-half:]}"


def share(part, of):
    return f"{part / of:.0%}" if of else "-"


def cells(row, fault_ns):
    """A row of the table: what the calls cost now and would cost as resets is per call."""
    last = f"{reset_ns(row) / row['calls'] / 1000:.1f}" if is_servable(row) else row["hindrance"] or "-"
    return (row["caller"], row["mapping"], size_text(row["size"]), f"{row['calls']:,}",
            share(row["dirty"] * PAGE, row["bytes"]), share(row["again"], row["present"]),
            f"{spent_ns(row, fault_ns) / row['calls'] / 1000:.1f}", last)


def table_line(words):
    """Names to the left, numbers to the right."""
    words = [shortened(word, width) for word, width in zip(words, WIDTHS)]
    names = [f"{word:<{width}}" for word, width in zip(words[:2], WIDTHS)]
    numbers = [f"{word:>{width}}" for word, width in zip(words[2:], WIDTHS[2:])]
    return " ".join([*names, *numbers])


def table(observed, fault_ns):
    """The lines of the table, the most expensive rows first."""
    rows = sorted(observed, key=lambda row: -spent_ns(row, fault_ns))
    lines = [table_line(HEADINGS), *(table_line(cells(row, fault_ns)) for row in rows[:ROWS_SHOWN])]
    rest = rows[ROWS_SHOWN:]
    if rest:
        lines.append(f"... and {len(rest)} more rows, {sum(row['calls'] for row in rest):,} calls")
    return lines


def missed(total, hooks):
    """What was not seen, or not looked at, in lines. total: the added statistics; hooks: what was asked for."""
    if not total["processes"]:
        return ["No process left statistics: the command is static, setuid, or clears its environment, or the rules",
                "or settings are bad.",
                "`keepwarm doctor -- CMD` tells more."]
    lines = []
    unseen = {reason: times for reason, times in total["declined"].items() if reason not in ("observing", "no_rule")}
    if unseen:
        words = ", ".join(f"{times:,} {reason}" for reason, times in sorted(unseen.items()))
        lines.append(f"Not looked at: {words} (keepwarm(7) explains the reasons).")
    lines += [f"{site['object']}: {site['unpatchable']} places that call madvise could not be hooked: not seen."
              for site in total["sites"] if site["unpatchable"]]
    if hooks != "plt" and not total["sites"] and "unwritten" not in total:
        lines.append("The hooks did not work here: calls by system call instructions were not seen.")
    return lines


def settings_line(suggestion):
    """What can be pasted in front of a command."""
    hooks = f" KEEPWARM={shlex.quote('hooks=' + '+'.join(suggestion.hooks))}" if suggestion.hooks else ""
    return f"KEEPWARM_REGIONS={shlex.quote(suggestion.regions)}{hooks}"


def estimate(suggestion, fault_ns, busy):
    # Where faults are most of the work, this may come to more than there was.
    share = suggestion.saved_ns / busy
    gain = (f"{suggestion.saved_ns / 1e9:.2f} s of {busy / 1e9:.2f} s that CMD was busy ({share:.0%})" if share < 0.9
            else f"most of the {busy / 1e9:.2f} s that CMD was busy")
    return [f"Estimated gain: {gain}.",
            f"  From the time of the real calls, and {fault_ns / 1000:.2f} us for each fault on a page that was",
            f"  used again, less that of the questions, the scans, and {RESTORE_NS} ns a dirty page.",
            "  Threads on other CPUs gain too: nothing interrupts them. Measure: keepwarm ab."]


def promises(suggestion):
    """What would help more, if the user can promise something."""
    lines = []
    if suggestion.regions and suggestion.cached_ns > WORTH_A_PROMISE * suggestion.saved_ns:
        lines.append(f"# With ,vma=cache in each rule about {suggestion.cached_ns / 1e9:.2f} s more: a promise that this"
                     "\n# memory is mapped and protected through libc (or hooked sites) only.")
    lines += [f"# image=stable would let {name} be served: a promise\n# that nobody writes to that file."
              for name in suggestion.stable]
    return lines


def advice(suggestion, fault_ns, busy, lost_most):
    """The suggestion, in lines. lost_most: whether most calls are in no table."""
    if not suggestion.regions and lost_most:
        return ["So nothing can be said of a gain. Let CMD end by itself, not by a signal, or run",
                "for a minute (Go programs, which end by a system call of their own, too)."]
    if not suggestion.regions:
        return [f"Nothing to gain: no rule would save {WORTH_SUGGESTING:.0%} of the {busy / 1e9:.2f} s that CMD was busy.",
                *promises(suggestion)]
    return [*estimate(suggestion, fault_ns, busy), "Suggested:", settings_line(suggestion), *promises(suggestion)]


def processes(count):
    return f"{count} process{'es' * (count != 1)}"


def lost(documents):
    """What was not seen of processes that did not come to write it down at their end."""
    calls = [document["unwritten"] for document in documents if document.get("unwritten")]
    return [f"What was seen of {sum(calls):,} calls is lost: {processes(len(calls))} died of a signal, did not end,",
            "or ended by a system call of its own."] if calls else []


def report(documents, suggestion, cpu_ns, system_ns, hooks):
    """All of it, as text. documents: each process's statistics; cpu_ns, system_ns: CPU time of the command, all of it and
    the kernel's part; hooks: what was asked for."""
    total = counters.add(documents)
    fault_ns, busy = fault_cost(total["observed"], system_ns), busy_ns(total["observed"], cpu_ns)
    lines = [f"{total['calls']:,} MADV_DONTNEED call{'s' * (total['calls'] != 1)} in "
             f"{processes(total['processes'])}."]
    if total["observed"]:
        lines += table(total["observed"], fault_ns)
        lines.append("dirty: of the range; reused: of its pages; us: of a call and the faults after it")
        if sum(row["calls"] for row in total["observed"]) > total["calls"]:
            lines.append("A call over several mappings is in a row for each.")
    hooked = sorted({row["caller"] for row in total["observed"] if row["at_sites"]})
    if hooked:
        lines.append(f"Calls that only hooks= finds, from {', '.join(hooked)}.")
    lines += lost(documents) + missed(total, hooks)
    lines += [f"This is {counters.UNCOUNTED}."] * ("uncounted" in total)
    if total["processes"]:
        lines += advice(suggestion, fault_ns, busy, 2 * total.get("unwritten", 0) > total["calls"])
    return "\n".join(f"keepwarm: {line}" if i == 0 else line for i, line in enumerate(lines)) + "\n"
