"""One run of one arm: what it took, what it printed, what the library counted."""

import contextlib
import math
import os
import pathlib
import re
import signal
import tempfile
import time
from collections import namedtuple

from keepwarm_command import counters, launch
from keepwarm_command.processes import Tree, end_all, read_text, spawn
from keepwarm_command.servers import Server

# More points than a plot has columns are not kept.
TIMELINE_POINTS = 400

# command: words; or None, and then server (a ServerPlan) and load (for a shell). metric: a regular expression, or
# None for wall time. check: for a shell, or None.
Workload = namedtuple("Workload", "command server load metric check")
# figures: as in the report, but for the timeline's length; documents: the statistics of its processes.
Run = namedtuple("Run", "figures output documents")


class Failed(Exception):
    """A run that cannot be compared: why, and what the program printed."""

    def __init__(self, why, output):
        super().__init__(why)
        self.output = output


def status_words(status):
    """An exit status, as os.waitstatus_to_exitcode gives it, in words."""
    return f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"


def metric_of(output, pattern):
    """The number that the first group of PATTERN finds in OUTPUT. Raises Failed; ratios need it above zero."""
    found = re.search(pattern, output, re.MULTILINE)
    if not found:
        raise Failed(f"no match for the metric {pattern!r} in the output", output)
    try:
        value = float(found.group(1))
    except (TypeError, ValueError):
        raise Failed(f"the metric {pattern!r} found {found.group(1)!r}, which is not a number", output) from None
    if not (math.isfinite(value) and value > 0):
        raise Failed(f"the metric is {value:g}, and only numbers above 0 can be compared", output)
    return value


def thin(samples, most=TIMELINE_POINTS):
    """Every so manyth of the samples, and the last."""
    step = max(1, -(-len(samples) // most))
    return samples[::step] + samples[-1:] * ((len(samples) - 1) % step > 0)


def timeline(samples):
    """Samples of a Tree as the report has them."""
    return [{"t": round(sample.seconds, 4), "rss_bytes": sample.rss_bytes, "faults": sample.faults}
            for sample in thin(samples)]


class Runner:
    """Runs arms of a workload, one at a time."""

    def __init__(self, workload):
        self.workload = workload
        # A live file outlasts a kill but costs something at every call. It is needed until a run has shown that
        # all processes write their statistics when they end.
        self.live = True

    def run(self, arm):
        """One Run of an arm. Raises Failed, NeverReady, CannotRun. Nothing is left running."""
        with launch.folder_for("ab") as folder, tempfile.TemporaryFile() as output, contextlib.ExitStack() as stack:
            stack.callback(end_all)
            measure = self.measure_server if self.workload.server else self.measure_command
            figures = measure(arm, self.environment(arm, folder), output)
            return Run(figures, read_text(output), self.read_counters(folder) if arm.keepwarm else [])

    def environment(self, arm, folder):
        """An arm's, and where it has the library, with the places for what that counts."""
        if not arm.keepwarm:
            return arm.environment
        place = launch.escape(folder)
        settings = [f"stats={place}/%p.json", *([f"live={place}/%p.live"] if self.live else [])]
        return launch.under(None, settings, arm.environment)

    def read_counters(self, folder):
        """The statistics of a run's processes: as they wrote them, or where they were killed from live files."""
        documents = counters.read_folder(folder)
        if self.live:
            for path in pathlib.Path(folder).glob("*.live"):
                path.unlink()
            written = counters.read_folder(folder)
            self.live = sum(one["calls"] for one in written) < sum(one["calls"] for one in documents)
        return documents

    def measure_command(self, arm, environment, output):
        """The command's time or metric; CPU time and faults of all its processes."""
        tree = Tree(self.workload.command, environment, output)
        tree.watch([tree.pidfd])
        seconds = time.monotonic() - tree.started
        ended = tree.reap()
        usages = [ended.usage, *end_all()]
        cpu_seconds = sum(usage.ru_utime + usage.ru_stime for usage in usages)
        faults = sum(usage.ru_minflt + usage.ru_majflt for usage in usages)
        self.check(arm, output)
        return self.figures(output, seconds, ended.status, cpu_seconds, faults, tree.peak_rss(usages), tree.samples)

    def measure_server(self, arm, environment, output):
        """The load's time or metric; CPU time and faults of the server while the load ran."""
        with Server(self.workload.server, environment) as server:
            begin = server.tree.sample()
            load = Tree(["sh", "-c", self.workload.load], launch.without(), output)
            ended = server.tree.watch([load.pidfd, server.tree.pidfd])
            seconds = time.monotonic() - load.started
            if server.tree.pidfd in ended:
                why = f"the server ended under load, with {status_words(server.stop().status)}"
                raise Failed(why, read_text(server.output))
            end = server.tree.sample()
            status = load.reap().status
            if status > 0:
                raise Failed(f"the load ended with {status_words(status)}", read_text(output))
            self.check(arm, output)
            usages = [server.stop().usage]
        return self.figures(output, seconds, status, end.cpu_seconds - begin.cpu_seconds, end.faults - begin.faults,
                            server.tree.peak_rss(usages), server.tree.samples)

    def check(self, arm, output):
        """Runs --check on what a run printed. Raises Failed."""
        if not self.workload.check:
            return
        output.seek(0)
        with tempfile.TemporaryFile() as said:
            pid = spawn(["sh", "-c", self.workload.check], launch.without() | {"ARM": arm.name}, said, output)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if status:
                raise Failed(f"--check ended with {status_words(status)}", read_text(said) + read_text(output))

    def figures(self, output, seconds, status, cpu_seconds, faults, peak_rss_bytes, samples):
        """A run as the report has it. Raises Failed if the command was killed or printed no metric."""
        text = read_text(output)
        if status < 0:
            raise Failed(f"ended by {status_words(status)}", text)
        try:
            value = metric_of(text, self.workload.metric) if self.workload.metric else seconds
        except Failed as failure:
            raise Failed(f"{status_words(status)}, {failure}", text) from None
        return {"value": value, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_rss_bytes": peak_rss_bytes,
                "page_faults": faults, "exit_status": status, "timeline": timeline(samples)}
