"""What the tests of the command share: running it from the staged installation, and checking what it says."""

import os
import subprocess
import sys
import tempfile
import unittest  # noqa: F401 for those who import all from here

BUILD = os.environ["top_builddir"]
KEEPWARM = os.environ["KEEPWARM_COMMAND"]
LIBRARY = os.environ["KEEPWARM_LIBRARY"]
EXEC_PATH = os.environ["KEEPWARM_EXEC_PATH"]
WORKER = os.path.join(BUILD, "test", "places", "worker")
SKIPPED = 77


def environment(**more):
    """This process's environment without settings of keepwarm's, and with more."""
    kept = {name: value for name, value in os.environ.items()
            if name not in ("KEEPWARM", "KEEPWARM_REGIONS", "LD_PRELOAD")}
    return kept | more


def keepwarm(*arguments, **more):
    """Runs the command with its output captured as text. env adds to the environment."""
    env = environment(**more.pop("env", {}))
    more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60,
            "text": True, "check": False} | more
    return subprocess.run([KEEPWARM, *map(str, arguments)], env=env, **more)


class CommandTest(unittest.TestCase):
    """A test of the command, with a temporary folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="keepwarm-test-")  # pylint: disable=consider-using-with
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def assert_refuses(self, done, *words, status=125):
        """One line on standard error with these words in it, nothing on standard output, and this exit status."""
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("keepwarm"), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def assert_succeeds(self, done):
        """Exit status 0 and nothing on standard error."""
        self.assertEqual((done.returncode, done.stderr), (0, ""))


def main(needs_scan=False):
    """Runs the calling file's tests; a skipped one makes the exit status 77 unless another fails. All are skipped where
    they need a kernel under which resets are served, and it is none."""
    if needs_scan:
        status = subprocess.run([os.path.join(os.environ["top_srcdir"], "test", "kernels", "need-scan")], check=False)
        if status.returncode:
            sys.exit(status.returncode)
    done = unittest.main(exit=False, verbosity=1).result
    for test, why in done.skipped:
        print(f"skipped: {test}: {why}")
    sys.exit(1 if not done.wasSuccessful() else SKIPPED if done.skipped else 0)
