"""The processes of a cluster: all that are in the session of its `ray start`, and of no other Ray."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


def processes_of(session: int, *, named: str = "") -> list[int]:
    """Return the ids of those whose command line begins like this, in order."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended in between
            # The session is the fourth field after the name; what is dead already has no command line.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[3] == str(session) and (folder / "cmdline").read_bytes().startswith(named.encode()):
                found.append(int(folder.name))
    return sorted(found)


def players_of(session: int) -> list[int]:
    """Return those that play conversations, as Ray names them."""
    return processes_of(session, named="ray::Player")


def kill(pid: int) -> None:
    """Send SIGKILL to one that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
