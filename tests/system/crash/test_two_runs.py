"""Two runs in one folder: the second is refused before it sends anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.crash.workspace import CrashWorkspace


@pytest.mark.parametrize("arguments", [("resume", "run"), ("talk.yaml", "-o", "run")], ids=["resume", "new"])
def test_a_second_run_names_the_first(workspace: CrashWorkspace, arguments: tuple[str, ...]) -> None:
    """It exits with 2, says which process is in the way, sends nothing, and does the first no harm."""
    workspace.api.hold = True
    pid = workspace.start("talk.yaml", "-o", "run")
    assert workspace.api.arrived.wait(20)
    journal = workspace.journal.read_bytes()
    second = workspace.run(*arguments)
    assert second.code == 2
    assert second.stderr == (
        f"error: run is in use by another claude-run (pid {pid}): wait for it to end, or pass another -o\n"
    )
    assert workspace.journal.read_bytes().startswith(journal)
    workspace.api.hold = False
    assert workspace.fork_server.wait(pid).code == 0
    assert len(workspace.api.ledger) == 9


def test_a_run_that_is_over_is_in_nobodys_way(workspace: CrashWorkspace) -> None:
    """Its folder is refused to a new run, with the two ways out, and the lock of the dead is none."""
    assert workspace.play().code == 0
    second = workspace.play()
    assert second.code == 2
    assert second.stderr == (
        "error: run already holds a run: go on with `claude-run resume run`, or name another folder with -o\n"
    )
    assert workspace.resume().code == 0
    assert len(workspace.api.ledger) == 9
