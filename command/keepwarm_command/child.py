"""Running a command as a child that might as well be this process: its signals, its stops, its end."""

import os
import signal

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
    """Starts a command and returns its pid; from here on, wait() must follow. Raises Failure when it cannot."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON | {signal.SIGCHLD})
    try:
        return os.posix_spawnp(command[0], command, environment, setsigmask=before, setsigdef=CHANGED_BY_PYTHON)
    except OSError as error:
        raise cannot_start(command, error) from None


def wait(child):
    """Passes signals on until the child has ended, and stops when it stops. Returns its wait status."""
    while True:
        told = signal.sigwaitinfo(PASSED_ON | {signal.SIGCHLD})
        if told.si_signo != signal.SIGCHLD:
            if told.si_code != SI_KERNEL:
                os.kill(child, told.si_signo)
            continue
        pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if pid and not os.WIFSTOPPED(status):
            return status
        if pid and os.WSTOPSIG(status) in JOB_CONTROL:
            os.kill(os.getpid(), signal.SIGSTOP)


def end_as(status):
    """Exit status for a wait status; a child that died of a signal has this process die of the same one."""
    if os.WIFSIGNALED(status):
        die_of(os.WTERMSIG(status))
    return os.WEXITSTATUS(status)
