"""A run that is still going on: no other command goes by it, and a second one in its folder sends nothing."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from tests.system.harness.fork_server import KILLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.crash.workspace import CrashWorkspace


@pytest.fixture
def going_on(workspace: CrashWorkspace) -> Iterator[int]:
    """Give the pid of a run in `run` whose first requests wait for their replies; it ends well."""
    assert workspace.run("talk.yaml", "-o", "before").code == 0
    workspace.api.ledger.clear()
    workspace.api.arrived.clear()
    workspace.api.hold = True
    pid = workspace.start("talk.yaml", "-o", "run", "-j", "1")
    assert workspace.api.arrived.wait(20)
    yield pid
    workspace.api.hold = False
    assert workspace.fork_server.wait(pid).code == 0
    assert len(workspace.api.ledger) == 9


@pytest.mark.parametrize(
    "arguments",
    [
        ("talk.yaml", "-o", "run"),
        ("resume", "run"),
        ("resume",),
        ("report", "run"),
        ("verify", "run"),
        ("accept", "run"),
        ("accept",),
        ("review", "run", "--pending"),
        ("compare", "before", "run"),
        ("compare", "run", "before"),
        ("talk.yaml", "-o", "new", "--baseline", "run"),
        ("talk.yaml", "-o", "new", "--replay", "run"),
        ("talk.yaml", "-o", "new", "--replay", "run/journal.jsonl"),
        ("talk.yaml", "-o", "new", "--reuse", "run"),
        ("talk.yaml", "-o", "new", "--lf"),
    ],
    ids=" ".join,
)
def test_a_run_that_is_still_going_on_is_called_that(
    workspace: CrashWorkspace, going_on: int, arguments: tuple[str, ...]
) -> None:
    """Every command that would go by it exits with 2, names the process, and leaves all as it is."""
    journal, before = workspace.journal.read_bytes(), {*workspace.folder.rglob("*")}
    sent = len(workspace.api.ledger)
    second = workspace.run(*arguments)
    assert second.code == 2
    assert second.stderr == (f"error: run: the run is still going on (pid {going_on}): wait for it to end\n")
    assert workspace.journal.read_bytes() == journal
    assert {*workspace.folder.rglob("*")} == before
    assert len(workspace.api.ledger) == sent


def test_two_who_look_are_in_nobodys_way(workspace: CrashWorkspace) -> None:
    """A run that was cut off is called that, also while somebody else looks at it."""
    assert workspace.play(crash_at=20).code == KILLED
    descriptor = os.open(workspace.journal, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        reported = workspace.run("report", "run")
    finally:
        os.close(descriptor)
    assert reported.code == 3
    assert "the run was cut off before its end" in reported.stdout


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
