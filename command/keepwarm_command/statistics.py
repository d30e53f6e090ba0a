"""Statistics of paired runs: pure functions of numbers."""

import math
from collections import namedtuple

# With fewer pairs not even the whole range of the ratios covers the median in 95 of 100 comparisons.
LEAST_PAIRS = 6
CONFIDENCE = 0.95

Spread = namedtuple("Spread", "min low median high max")
Interval = namedtuple("Interval", "low_rank high_rank coverage")
Estimate = namedtuple("Estimate", "ratio low high coverage")


def quantile(values, fraction):
    """The value at FRACTION (0 to 1) of the sorted order, interpolated between its neighbours."""
    ordered = sorted(values)
    place = fraction * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def median(values):
    """The middle value; of an even number, the mean of the two in the middle."""
    return quantile(values, 0.5)


def spread(values):
    """Minimum, quartiles, median and maximum."""
    return Spread(*(quantile(values, fraction) for fraction in (0, 0.25, 0.5, 0.75, 1)))


def ratios(values, baseline):
    """Pair by pair, how many times the baseline a value is."""
    return [value / base for value, base in zip(values, baseline)]


def median_interval(count, confidence=CONFIDENCE):
    """Between which two of COUNT sorted values the median of what they were drawn from lies.

    The ranks, from 1, are the innermost symmetric ones whose coverage is at least CONFIDENCE. The coverage is
    exact for any continuous distribution: each value lies under the median with probability 1/2, so their number
    is binomial. None if even the smallest and the largest value do not cover it that surely."""
    rank, below, interval = 0, 0, None
    while rank < count:
        below += math.comb(count, rank)  # of 2^COUNT ways, those with at most RANK values under the median
        coverage = 1 - 2 * below / 2**count
        if coverage < confidence:
            break
        rank += 1
        interval = Interval(rank, count + 1 - rank, coverage)
    return interval


def estimate(pair_ratios):
    """The median ratio of pairs, and a distribution-free confidence interval of it.

    pair_ratios: positive numbers, one a pair. The median is that of their logarithms, so that a against b is
    exactly the inverse of b against a. Fewer than LEAST_PAIRS have no interval (None), none at all no ratio."""
    logs = sorted(math.log(ratio) for ratio in pair_ratios)
    ratio = math.exp(median(logs)) if logs else None
    interval = median_interval(len(logs))
    if not interval:
        return Estimate(ratio, None, None, None)
    return Estimate(ratio, math.exp(logs[interval.low_rank - 1]), math.exp(logs[interval.high_rank - 1]),
                    interval.coverage)


def shows_difference(found):
    """Whether an Estimate's interval leaves out 1; None if it has no interval."""
    return None if found.coverage is None else not found.low <= 1 <= found.high
