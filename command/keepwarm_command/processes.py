"""Running a command and all its descendants: start, watch, usage, end."""

import ctypes
import os
import select
import signal
import time
from collections import namedtuple

from keepwarm_command import paths

SAMPLE_SECONDS = 0.05
PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf("SC_CLK_TCK")
# How long killed processes may take to be gone.
GONE_SECONDS = 5

Sample = namedtuple("Sample", "seconds rss_bytes faults cpu_seconds")
Ended = namedtuple("Ended", "status usage")


class CannotRun(Exception):
    """A command that could not be started; status is what env(1) would end with."""

    def __init__(self, command, error):
        super().__init__(f"{command}: {error.strerror}")
        self.status = 127 if isinstance(error, FileNotFoundError) else 126


def adopt_orphans():
    """Makes descendants whose parents end our children, so that none is lost from the count or left running."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(argv, environment, output, stdin=None, more_actions=()):
    """Starts a command in a session of its own; its output and errors go to a file. Its pid; CannotRun."""
    actions = [(os.POSIX_SPAWN_DUP2, output.fileno(), 1), (os.POSIX_SPAWN_DUP2, output.fileno(), 2)]
    if stdin is None:
        actions.append((os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0))
    else:
        actions.append((os.POSIX_SPAWN_DUP2, stdin.fileno(), 0))
    actions += more_actions
    try:
        # What Python ignores is not for the command to inherit.
        return os.posix_spawnp(argv[0], argv, environment, file_actions=actions, setsid=True,
                               setsigmask=[], setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    except OSError as error:
        raise CannotRun(argv[0], error) from error


def spawn_by_small_parent(argv, environment, output):
    """Like spawn, but in what the command will have used nothing of us counts, see command/small_parent.c.

    Only after adopt_orphans. (its pid, time.monotonic() at its start)."""
    reading, writing = os.pipe()
    with open(reading, encoding="ascii") as report:
        try:
            variables = [f"{name}={value}" for name, value in environment.items()]
            parent = spawn([os.path.join(paths.EXEC_PATH, "small-parent"), str(len(variables)), *variables, "--", *argv],
                           {"PATH": os.environ.get("PATH", os.defpath)}, output,
                           more_actions=[(os.POSIX_SPAWN_DUP2, writing, 3)])
        finally:
            os.close(writing)
        error, pid, started = report.read().split()
    os.waitpid(parent, 0)
    if int(error):
        raise CannotRun(argv[0], OSError(int(error), os.strerror(int(error))))
    return int(pid), float(started)


def read_children(pid):
    """The pids of a process's children; none if it is gone, or on a kernel without CONFIG_PROC_CHILDREN."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def tree_of(pid):
    """A process and its descendants."""
    found = [pid]
    for each in found:
        found += read_children(each)
    return found


def read_memory(pid):
    """(resident bytes now, at most so far) of a process."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        lines = dict(line.split(":", 1) for line in file if line.startswith(("VmRSS:", "VmHWM:")))
    return tuple(int(lines.get(name, "0 kB").split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))


def read_usage(pid):
    """(page faults, CPU seconds) of a process and of its children that it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()  # from the third on: the second may hold spaces
    return sum(map(int, fields[7:11])), sum(map(int, fields[11:15])) / TICKS


def read_text(file):
    """All that a command has printed to a file so far."""
    # Not by read, which would move the place where the command goes on writing.
    descriptor = file.fileno()
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")


class Tree:
    """A command and its descendants, from its start to its end."""

    def __init__(self, argv, environment, output):
        """Starts it. Raises CannotRun."""
        self.pid, self.started = spawn_by_small_parent(argv, environment, output)
        self.pidfd = os.pidfd_open(self.pid)
        self.samples = []
        self.highest_alone = 0  # bytes, of any one process

    def sample(self):
        """Looks at all processes of the tree now, and notes what it saw."""
        rss_bytes = faults = cpu_seconds = 0
        for pid in tree_of(self.pid):
            try:
                now, highest = read_memory(pid)
                more_faults, more_cpu = read_usage(pid)
            except OSError:
                continue  # it ended meanwhile
            rss_bytes += now
            faults += more_faults
            cpu_seconds += more_cpu
            self.highest_alone = max(self.highest_alone, highest)
        self.samples.append(Sample(time.monotonic() - self.started, rss_bytes, faults, cpu_seconds))
        return self.samples[-1]

    def watch(self, pidfds, seconds=None):
        """Samples until one of the processes has ended, or for some time. Those that have ended."""
        poll = select.poll()
        for pidfd in pidfds:
            poll.register(pidfd, select.POLLIN)
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            self.sample()
            # Short commands are looked at more often.
            delay = min(SAMPLE_SECONDS, 0.002 + (time.monotonic() - self.started) / 4)
            if deadline is not None:
                delay = min(delay, max(0, deadline - time.monotonic()))
            ended = poll.poll(delay * 1000)
            if ended or (deadline is not None and time.monotonic() >= deadline):
                return [pidfd for pidfd, _ in ended]

    def reap(self):
        """Waits for the command. Ended; its usage has that of all descendants it waited for."""
        _, status, usage = os.wait4(self.pid, 0)
        os.close(self.pidfd)
        return Ended(os.waitstatus_to_exitcode(status), usage)

    def signal(self, number):
        """Sends a signal to the command's process group. False if nobody is left in it."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def stop(self, grace):
        """Asks the command's process group to end, and after GRACE seconds ends it. The command's Ended."""
        deadline = time.monotonic() + grace
        self.signal(signal.SIGTERM)
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        ended = self.reap() if poll.poll(grace * 1000) else None
        # A shell ends at once, the server that it started may take its time.
        while ended and self.signal(0) and time.monotonic() < deadline:
            reap_ended()
            time.sleep(0.005)
        self.signal(signal.SIGKILL)
        return ended or self.reap()

    def peak_rss(self, usages):
        """The most bytes that were resident: together at a sample, or in one process.

        usages: of processes that have ended."""
        ended = [usage.ru_maxrss * 1024 for usage in usages]
        return max([self.highest_alone, *ended, *(sample.rss_bytes for sample in self.samples)])


def reap_ended():
    """Waits for those of our children that have ended. (their usages, whether others are left)."""
    usages = []
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return usages, False
        if not pid:
            return usages, True
        usages.append(usage)


def end_all():
    """Ends all our descendants, those too that left their session. The usages of those that were our children."""
    usages, deadline = [], time.monotonic() + GONE_SECONDS
    while time.monotonic() < deadline:
        more, left = reap_ended()
        usages += more
        if not left:
            break
        for pid in tree_of(os.getpid())[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass  # it ended meanwhile, or belongs to somebody else now
        time.sleep(0.002)
    return usages
