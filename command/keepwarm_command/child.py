"""Running a command as a child that might as well be this process: its signals, its stops, its end."""

import os
import signal
import subprocess

from keepwarm_command.arguments import Failure, die_of

PASSED_ON = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
             signal.SIGWINCH, signal.SIGCONT, signal.SIGTSTP}
JOB_CONTROL = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
# What the interpreter ignores for itself, and a command expects as it was.
CHANGED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
SI_KERNEL = 0x80  # in siginfo: from the terminal, which tells the whole process group


def cannot_start(command, error):
    """The Failure for a command that cannot be started, with env(1)'s exit statuses."""
    return Failure(f"{command[0]}: {error.strerror}", 127 if isinstance(error, FileNotFoundError) else 126)


def become(command, environment):
    """Replaces this process by a command; returns only by raising Failure."""
    for number in CHANGED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise cannot_start(command, error) from None


def start(command, environment):
    """Starts a command: a Popen, which wait() must follow. Raises Failure when it cannot be started."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON | {signal.SIGCHLD})
    try:
        # posix_spawn would be simpler, but glibc's leaves signals 32 and 33 ignored in the child.
        return subprocess.Popen(command, env=environment, restore_signals=True,
                                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before))
    except OSError as error:
        raise cannot_start(command, error) from None


def wait(process):
    """Passes signals on until the child has ended, and stops when it stops. Returns its exit status, or -SIGNAL."""
    while True:
        told = signal.sigwaitinfo(PASSED_ON | {signal.SIGCHLD})
        if told.si_signo != signal.SIGCHLD:
            if told.si_code != SI_KERNEL:
                os.kill(process.pid, told.si_signo)
            continue
        pid, status = os.waitpid(process.pid, os.WNOHANG | os.WUNTRACED)
        if pid and not os.WIFSTOPPED(status):
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode
        if pid and os.WSTOPSIG(status) in JOB_CONTROL:
            os.kill(os.getpid(), signal.SIGSTOP)


def end_as(status):
    """The exit status for what wait() returned; for a signal, this process dies of the same one."""
    if status < 0:
        die_of(-status)
    return status
