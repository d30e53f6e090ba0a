"""How every subcommand written in Python reads its command line, and ends: one line for what went wrong, status 125.

A subcommand is:
    def main():
        parser = Parser("run", "Runs a command with keepwarm in it.")
        ...
        options, command = parser.parse_with_command()    # or parser.parse_args()
        return 0

    end_with("run", main)
"""

import argparse
import difflib
import io
import os
import resource
import signal
import sys

OWN_FAILURE = 125  # keepwarm's own; 126 and 127 are for a command that cannot be started, as in env(1)
NO_COMMAND = 127


class Failure(Exception):
    """What stops a subcommand, in words for one line. status: what it exits with."""

    def __init__(self, words, status=OWN_FAILURE):
        super().__init__(words)
        self.status = status


def nearest(word, known):
    """', did you mean KNOWN?' for the one of known that is most like word, or nothing when none is."""
    found = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f": did you mean {found[0]}?" if found else ""


class Parser(argparse.ArgumentParser):
    """An argparse parser of `keepwarm SUB`: no abbreviated options, errors in one line, exit status 125."""

    def __init__(self, subcommand, description, **more):
        more.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(prog=f"keepwarm {subcommand}", description=description, allow_abbrev=False, **more)

    def error(self, message):
        self.exit(OWN_FAILURE, f"{self.prog}: {message}; --help tells more\n")

    def _print_message(self, message, file=None):
        """As argparse does, but a full disk or a closed pipe is not passed over in silence."""
        (file or sys.stderr).write(message)

    def parse_known_args(self, args=None, namespace=None):
        """As argparse does, but an unknown option is named before anything that is missing."""
        args = sys.argv[1:] if args is None else list(args)
        for word in args[:args.index("--")] if "--" in args else args:
            option = word.partition("=")[0]
            if option.startswith("--") and option not in self._option_string_actions:
                self.error(f"no option {option}{nearest(option, self._option_string_actions)}")
        return super().parse_known_args(args, namespace)

    def parse_with_command(self, args=None):
        """(options, CMD) of `[OPTION]... -- CMD...`; without a CMD, an error."""
        args = sys.argv[1:] if args is None else list(args)
        end = args.index("--") if "--" in args else len(args)
        options, rest = self.parse_known_args(args[:end])
        if rest:
            self.error(f"no option {rest[0]}" if rest[0].startswith("-") else f"-- belongs before {rest[0]}")
        if not args[end + 1:]:
            self.error("no command: give it after --")
        if not args[end + 1]:
            raise Failure("the command's name is empty", NO_COMMAND)
        return options, args[end + 1:]


def die_of(number):
    """Ends this process by a signal, so that whoever waits for it sees the same as from any other program."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # where the signal does not end a process


def close_output():
    """Points standard output nowhere: the interpreter, too, would write to it at exit, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(main):
    """main()'s exit status. SystemExit's, too, but only after what was printed is out: --help > /dev/full fails."""
    try:
        status = main()
    except SystemExit as done:
        status = done.code
    sys.stdout.flush()
    return status


def prepare_streams():
    """A stream that was closed when we started fails when it is written to, instead of being None. What came in of
    the user's words goes out byte for byte."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            unwritable = io.FileIO(os.open(os.devnull, os.O_RDONLY), "w")
            setattr(sys, name, io.TextIOWrapper(unwritable, encoding="utf-8", write_through=True))
        getattr(sys, name).reconfigure(errors="surrogateescape")


def end_with(subcommand, main):
    """Runs main() and exits with the status it returns. What it raises of Failure and OSError becomes one line."""
    prepare_streams()
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.exit(run(main))
    except KeyboardInterrupt:
        die_of(signal.SIGINT)
    except BrokenPipeError:
        close_output()
        die_of(signal.SIGPIPE)
    except (Failure, OSError, UnicodeError) as error:
        try:
            print(f"keepwarm {subcommand}: {error_words(error)}", file=sys.stderr)
        except OSError:
            pass
        close_output()
        sys.exit(getattr(error, "status", OWN_FAILURE))


def error_words(error):
    """An exception in words: 'FILE: No such file or directory' rather than '[Errno 2] ...'."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
