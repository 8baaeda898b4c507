"""Streams that are full: what cannot be said is not taken for said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.crash.promises import RunState, assert_promises_kept

if TYPE_CHECKING:
    from tests.system.crash.workspace import CrashWorkspace

FULL = "/dev/full"


def test_a_full_stdout_is_no_success(workspace: CrashWorkspace) -> None:
    """The summary that a script waits for did not arrive: code 3, though the run is done and whole."""
    ended = workspace.play("--json", stdout=FULL)
    assert (ended.code, ended.stderr.splitlines()[-1]) == (3, "error: stdout: No space left on device")
    assert workspace.run("verify", "run").code == 0


def test_a_full_stderr_is_no_success(workspace: CrashWorkspace) -> None:
    """Nobody can be told how it went, and the code says so; but the run is whole, and all was sent."""
    assert workspace.play(stderr=FULL).code == 3
    death = RunState.of(workspace)
    assert workspace.run("verify", "run").code == 0
    assert workspace.resume().code == 0
    assert len(workspace.api.ledger) == death.sent
    assert_promises_kept(workspace, [death])


def test_a_full_list_is_no_success(workspace: CrashWorkspace) -> None:
    """A list of conversations that is cut off by a full disk would be taken for a shorter one."""
    ended = workspace.run("talk.yaml", "--list", stdout=FULL)
    assert (ended.code, ended.stderr) == (3, "error: stdout: No space left on device\n")
