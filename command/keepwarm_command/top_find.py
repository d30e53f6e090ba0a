"""Which live files to look at: those of all processes that can be seen, or of the PIDs and FILEs that were named."""

import dataclasses
import os


@dataclasses.dataclass(frozen=True)
class Target:
    """What keepwarm stats is asked for: a PID or a path. pid: the process, where it is known; named: by the user."""

    word: str
    pid: int | None = None
    named: bool = False


def read(pid, name):
    """A file of /proc/PID as bytes."""
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read()


def has_live_file(environment):
    """Do the settings in an environment (bytes, as /proc has it) ask for a live file? keepwarm stats reads them well."""
    return any(entry.startswith(b"KEEPWARM=") and b"live=" in entry for entry in environment.split(b"\0"))


def is_overwritten(pid, environment):
    """Has a process with the library in it lost its settings from there? Some write their title over them."""
    return b"KEEPWARM" not in environment and b"/libkeepwarm.so" in read(pid, "maps")


def running():
    """A Target for each process that can be looked into and was told to write a live file."""
    found = []
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            environment = read(pid, "environ")
            if has_live_file(environment) or is_overwritten(pid, environment):
                found.append(Target(str(pid), pid))
        except OSError:
            continue  # gone, a kernel thread, or another user's
    return found


def named(word):
    """The Target of one argument: a PID, or the name of a live file (./123 for one of digits only)."""
    return Target(word, int(word), True) if word.isdigit() else Target(os.path.abspath(word), None, True)


def own_pid(pid):
    """The number by which a process knows itself: another one in a container."""
    try:
        line = next(line for line in read(pid, "status").splitlines() if line.startswith(b"NSpid:"))
        return int(line.split()[-1])
    except (OSError, StopIteration):
        return pid


def is_running(pid, exe):
    """Is there a process of that number, and as far as can be seen of that executable?"""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)") == exe
    except PermissionError:
        return True
    except OSError:
        return False
