"""Several processes that accept at once: each reads, changes and writes the baseline while no other does."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from tests.support.command import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.gate.workspace import GateWorkspace

SHARDS = 6


def _say_which(streams: list[Path]) -> None:
    """Return when each of the processes has said which run it took, which comes before it writes."""
    deadline = time.monotonic() + PATIENCE_S
    while not all(path.exists() and path.read_text(encoding="utf-8").startswith("run ") for path in streams):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_shards_that_are_accepted_at_once_are_all_accepted(workspace: GateWorkspace) -> None:
    """Each keeps what the others have written, whoever comes first; the folder itself is what they lock."""
    workspace.write(cases=SHARDS)
    for number in range(1, SHARDS + 1):
        assert workspace.play(f"part-{number}", "--shard", f"{number}/{SHARDS}").code == 0

    # All are made to wait at the same place, and then let go.
    descriptor = os.open(workspace.folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    streams = [workspace.folder / f"stderr-{number}" for number in range(1, SHARDS + 1)]
    pids = [
        workspace.fork_server.start(
            workspace.folder, "accept", f"part-{number}", url=workspace.api.url, stderr=stream
        )
        for number, stream in enumerate(streams, start=1)
    ]
    _say_which(streams)
    assert not workspace.baseline.exists()
    os.close(descriptor)

    assert [workspace.fork_server.wait(pid).code for pid in pids] == [0] * SHARDS
    assert len(workspace.accepted()) == SHARDS
    assert [each.name for each in workspace.folder.iterdir() if "baseline" in each.name] == [
        workspace.baseline.name
    ]
