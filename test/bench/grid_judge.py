"""What the rounds of the grid say: pure functions from measured rows to ratios.

A row is a dictionary with strategy, round and figures, as grid_point prints them."""

import math
import statistics

CHEAP_NS = 2000  # below this cost of a cycle, what counts against the real call is nanoseconds, not a ratio


def by_strategy(rows, figure):
    """{strategy: {round: value}} of one figure."""
    table = {}
    for row in rows:
        table.setdefault(row["strategy"], {})[row["round"]] = row[figure]
    return table


def ours_of(table):
    """The strategies that are keepwarm's."""
    return sorted(name for name in table if name.startswith("keepwarm"))


def rivals_of(table):
    """The others."""
    return sorted(set(table) - set(ours_of(table)))


def choose_best(table, rounds):
    """The rival with the highest median over these rounds."""
    return max(rivals_of(table), key=lambda rival: statistics.median(table[rival][round_] for round_ in rounds))


def ratios(table, ours, rival, rounds):
    """The ratios within rounds."""
    return [table[ours][round_] / table[rival][round_] for round_ in rounds]


def ratio(table, ours, rival, rounds):
    """Their median."""
    return statistics.median(ratios(table, ours, rival, rounds))


def quartiles(values):
    """(first, third) quartile; of a single value, twice that."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def halves(table):
    """The rounds to choose in, and those to compare in: with a single round, the same."""
    rounds = sorted(next(iter(table.values())))
    return rounds[::2], rounds[1::2] or rounds


def against_best(table, ours):
    """(name of the best rival, ratios to it): it is chosen in one half of the rounds and compared in the other, so
    that the luckiest of several equals has no advantage. Higher figures are better."""
    choosing, comparing = halves(table)
    best = choose_best(table, choosing)
    return best, ratios(table, ours, best, comparing)


def inverted(table):
    """A table of costs as one of speeds. A cost of nothing is a nanosecond's."""
    return {name: {round_: 1 / max(value, 1) for round_, value in rounds.items()} for name, rounds in table.items()}


def medians(rows, figure):
    """{strategy: median over the rounds}."""
    return {name: statistics.median(rounds.values()) for name, rounds in by_strategy(rows, figure).items()}


def cycle_ns(cycles_per_second, workers):
    """What a cycle takes one worker."""
    return workers * 1e9 / cycles_per_second if cycles_per_second else math.inf


def judge(rows, workers):
    """One point's verdict: for each of keepwarm's strategies, ratios to the best rival (with their quartiles) and to
    the real call."""
    cycles = by_strategy(rows, "cycles_per_second")
    resets = inverted(by_strategy(rows, "reset_ns"))
    rounds = sorted(next(iter(cycles.values())))
    real_ns = cycle_ns(statistics.median(cycles["real"].values()), workers)
    verdict = {"real_ns": real_ns}
    for ours in ours_of(cycles):
        best, to_best = against_best(cycles, ours)
        best_reset, reset_to_best = against_best(resets, ours)
        low, high = quartiles(to_best)
        verdict[ours] = {"best": best, "to_best": statistics.median(to_best), "to_best_low": low, "to_best_high": high,
                         "best_reset": best_reset, "reset_to_best": statistics.median(reset_to_best),
                         "to_real": ratio(cycles, ours, "real", rounds),
                         "over_real_ns": statistics.median(
                             cycle_ns(cycles[ours][round_], workers) - cycle_ns(cycles["real"][round_], workers)
                             for round_ in rounds)}
    return verdict


def holds_against_real(verdict, ours):
    """At least 0.97 of the real call where a cycle costs it over 2 us; below that, at most 100 ns more."""
    if verdict["real_ns"] > CHEAP_NS:
        return verdict[ours]["to_real"] >= 0.97
    return verdict[ours]["over_real_ns"] <= 100


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def tenths(rows, strategy, figure="cycles_per_second"):
    """The last round's figure over the first's, of one strategy."""
    rounds = by_strategy(rows, figure)[strategy]
    return rounds[max(rounds)] / rounds[min(rounds)]


def last(rows, strategy, figure):
    """The figure of the last round."""
    rounds = by_strategy(rows, figure)[strategy]
    return rounds[max(rounds)]
