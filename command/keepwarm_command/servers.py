"""A server under measurement: started, ready, and stopped, whatever happens in between."""

import re
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections import namedtuple

from keepwarm_command.processes import Tree, read_text

LOOK_SECONDS = 0.05
ASK_SECONDS = 2

Ready = namedtuple("Ready", "kind text")
# command: of a shell; ready_seconds, grace: how long it may take to get ready, and to end when asked.
ServerPlan = namedtuple("ServerPlan", "command ready ready_seconds grace")


class NeverReady(Exception):
    """A server that did not get ready: why, and what it printed."""

    def __init__(self, why, output=""):
        super().__init__(why)
        self.output = output


def parse_ready(text):
    """Ready from a URL, a port's number, or else a regular expression. Raises re.error."""
    if text.startswith(("http://", "https://")):
        return Ready("url", text)
    if text.isdecimal():
        return Ready("port", int(text))
    re.compile(text)
    return Ready("output", text)


def answers(url):
    """Whether a URL is answered, by anything but a server's error."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=ASK_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False


def listens(port):
    """Whether somebody accepts connections to a port of this machine."""
    try:
        with socket.create_connection(("localhost", port), timeout=ASK_SECONDS):
            return True
    except (OSError, OverflowError):
        return False


def is_ready(ready, output):
    """Whether a server is ready, by its port, its URL, or what it printed to a file so far."""
    if ready.kind == "url":
        return answers(ready.text)
    if ready.kind == "port":
        return listens(ready.text)
    return bool(re.search(ready.text, read_text(output), re.MULTILINE))


class Server:
    """A server from its start to its end, as a context."""

    def __init__(self, plan, environment):
        """plan: a ServerPlan."""
        self.plan, self.environment = plan, environment
        self.output = self.tree = self.ended = None

    def __enter__(self):
        """Starts it and waits until it is ready. Raises NeverReady, CannotRun."""
        ready = self.plan.ready
        if ready.kind != "output" and is_ready(ready, None):
            raise NeverReady(f"something else answers {ready.text} already")
        self.output = tempfile.TemporaryFile()  # pylint: disable=consider-using-with # closed by __exit__
        try:
            self.tree = Tree(["sh", "-c", self.plan.command], self.environment, self.output)
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_until_ready(self):
        deadline = time.monotonic() + self.plan.ready_seconds
        while not is_ready(self.plan.ready, self.output):
            if self.tree.watch([self.tree.pidfd], LOOK_SECONDS):
                raise NeverReady("the server ended before it was ready", read_text(self.output))
            if time.monotonic() > deadline:
                raise NeverReady(f"the server was not ready after {self.plan.ready_seconds:g} s",
                                 read_text(self.output))

    def stop(self):
        """Asks it to end, and ends it if it does not. Its Ended."""
        if not self.ended:
            self.ended = self.tree.stop(self.plan.grace)
        return self.ended

    def __exit__(self, *_):
        if self.tree:
            self.stop()
        self.output.close()
