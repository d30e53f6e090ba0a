"""What the tests of keepwarm ab share."""

import csv
import json
import os
import subprocess

from command import KEEPWARM, CommandTest, environment, keepwarm

METRIC = ("--metric", "speed=([-0-9.einfa]+)")
# How long sleeps in these tests: for ever, and a word that no other process has in its command line.
SLEEPS = [f"{number}{os.getpid():07}" for number in (1, 2)]
# Prints a metric that the arm's variable X sets.
SPEED = ("sh", "-c", "echo speed=$X")


def is_running(mark):
    """Whether a process has this word in its command line."""
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if mark.encode() in words:
            return True
    return False


def words_of(text):
    """A text whose lines were wrapped, as one line."""
    return " ".join(text.split())


class AbTest(CommandTest):
    def path(self, name):
        return os.path.join(self.folder, name)

    def ab(self, *arguments, **more):
        """keepwarm ab with six pairs and a report in self.report (None if none was written)."""
        done = keepwarm("ab", "-n", "6", "--json", self.path("report"), *arguments, timeout=300, **more)
        self.read_report()
        return done

    def read_report(self):
        self.report = None
        if os.path.exists(self.path("report")):
            with open(self.path("report"), encoding="utf-8") as file:
                self.report = json.load(file)
            os.unlink(self.path("report"))

    def start(self, *arguments):
        """keepwarm ab as a process, its errors in a pipe."""
        return subprocess.Popen([KEEPWARM, "ab", "--json", self.path("report"), "--html", self.path("page"), *arguments], env=environment(),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def read_rows(self, name):
        with open(self.path(name), encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def assert_compared(self, done, status=0):
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertIsNotNone(self.report)

    def assert_failed(self, done, *words, status=1):
        """It ended so, said these words, and made no comparison of what is left."""
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIsNone(self.report)
        for word in words:
            self.assertIn(word, done.stderr)
