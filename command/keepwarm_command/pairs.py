"""Pairs of runs, baseline and candidate, in random order, until there are enough or somebody stops them."""

import signal
from collections import namedtuple

from keepwarm_command.runs import Failed

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# order: "ab" or "ba"; a and b: a Run each.
Pair = namedtuple("Pair", "order a b")


class Stopped(BaseException):
    """A signal that asks us to stop came."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


class ArmFailed(Exception):
    """A run of an arm that Failed: where, why, and what the program printed."""

    def __init__(self, where, arm, failure):
        super().__init__(f"{where}, arm {arm.name} ({arm.label}): {failure}")
        self.output = failure.output


def stop_on_signals():
    """From now on, the first signal that asks us to stop raises Stopped, and the next ones are ignored, so that
    what is running is ended in peace."""
    def stop(number, _frame):
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for number in STOPPING:
        # nohup stays in force.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)


def place_words(number):
    """A pair's number, from 1; those before are warm-up."""
    return f"pair {number}" if number > 0 else "warm-up"


def check_statuses(where, arms, pair, before):
    """The exit status of both runs. Raises ArmFailed if they differ, or are not that of the pairs before."""
    statuses = {arm.name: getattr(pair, arm.name).figures["exit_status"] for arm in arms}
    if statuses["a"] == statuses["b"] and before in (None, statuses["a"]):
        return statuses["a"]
    odd = next(arm for arm in reversed(arms) if statuses[arm.name] != (before or 0))
    words = [f"{status} in arm {name}" for name, status in sorted(statuses.items())]
    words += [] if before is None else [f"{before} before"]
    raise ArmFailed(where, odd, Failed(f"exit statuses differ: {', '.join(words)}", getattr(pair, odd.name).output))


def run_pair(runner, arms, order, where):
    """One Pair. Raises ArmFailed, and what Runner.run does beside Failed."""
    runs = {}
    for arm in order.sample(arms, len(arms)):
        try:
            runs[arm.name] = runner.run(arm)
        except Failed as failure:
            raise ArmFailed(where, arm, failure) from None
    return Pair("".join(runs), **runs)


def run_pairs(runner, arms, order, warmup, count):
    """Yields (number, Pair): the warm-up's with numbers below 1, then COUNT that count.

    order: a random.Random. Raises ArmFailed, NeverReady, CannotRun, Stopped."""
    status = None
    for number in range(1 - warmup, count + 1):
        pair = run_pair(runner, arms, order, place_words(number))
        status = check_statuses(place_words(number), arms, pair, status)
        yield number, pair
