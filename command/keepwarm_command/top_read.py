"""Looking at live files: `keepwarm stats --json FILE` reads them, with the library's own formatter."""

import errno
import json
import os
import subprocess
import time

from keepwarm_command import paths
from keepwarm_command.arguments import Failure
from keepwarm_command.top_find import is_running, own_pid
from keepwarm_command.top_table import Sample

PATIENCE = 5  # seconds for one file


def explain(errors, word):
    """The last line that keepwarm stats printed, without what the row says anyhow."""
    words = (errors.strip().splitlines() or ["keepwarm stats printed nothing"])[-1]
    for start in ("keepwarm stats: ", f"{word}: "):
        words = words.removeprefix(start)
    return words


def statistics(word):
    """(document or None, words why not) of one PID or live file."""
    command = [os.path.join(paths.EXEC_PATH, "keepwarm-stats"), "--json", word]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=PATIENCE, text=True, errors="replace", check=False)
        return (json.loads(done.stdout), "") if done.returncode == 0 else (None, explain(done.stderr, word))
    except subprocess.TimeoutExpired:
        return None, f"keepwarm stats took longer than {PATIENCE} s"
    except json.JSONDecodeError:
        return None, "keepwarm stats printed no JSON"
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from None


def sample(target, now):
    """What a Target's live file says now."""
    document, words = statistics(target.word)
    if document is None:
        return Sample(target.word, now, pid=target.pid, words=words)
    pid = target.pid or document["pid"]
    return Sample(target.word, now, document, pid, not is_running(pid, document["exe"]))


def is_worth_a_row(target, found):
    """Not what nobody named and is no live file of that process: keepwarm does not act there (exe=, a static
    program), or a parent's file whose name has no %p."""
    if target.named:
        return True
    if found.document is None:
        has_none = found.words.endswith(os.strerror(errno.ENOENT)) or "has no live file" in found.words
        return not has_none and os.path.exists(f"/proc/{target.pid}")
    return found.document["pid"] == own_pid(target.pid)


def samples(targets):
    """A Sample for each of the targets that is worth a row; all of one time, so that rates can be added up."""
    now = time.monotonic()
    pairs = [(target, sample(target, now)) for target in targets]
    return [found for target, found in pairs if is_worth_a_row(target, found)]
