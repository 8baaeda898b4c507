"""A disk whose n-th operation fails, for every n of a whole run."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from tests.system.crash.promises import RunState, assert_promises_kept
from tests.system.harness.sweeps import spread

if TYPE_CHECKING:
    from tests.system.crash.workspace import CrashWorkspace

EVERY = frozenset({"make_folder", "open", "write", "sync", "truncate", "lock", "close", "replace", "link"})
FAULTS = [
    (errno.EIO, False, EVERY),
    (errno.ENOSPC, False, frozenset({"write"})),
    (errno.EIO, True, frozenset({"write"})),
]
NAMES = ["EIO", "ENOSPC", "short"]
PARTS = 2
ONE = ("-k", "ada")


@pytest.fixture
def operations(workspace: CrashWorkspace) -> list[str]:
    """Give the names of the disk's operations in a run of one conversation that nothing happens to."""
    counted = workspace.folder / "operations"
    assert workspace.play(*ONE, count_to=str(counted)).code == 0
    workspace.clear()
    return counted.read_text(encoding="ascii").split()


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("code", "short", "strikes"), FAULTS, ids=NAMES)
def test_a_disk_that_fails_once(  # noqa: PLR0913 - the fixtures and the columns of the table
    workspace: CrashWorkspace,
    operations: list[str],
    part: int,
    code: int,
    *,
    short: bool,
    strikes: frozenset[str],
) -> None:
    """It is told in one line and exits with 3, nothing is sent after it, and a resume ends the run."""
    struck = [number for number, name in enumerate(operations, 1) if name in strikes]
    for number in spread(struck[part::PARTS], one_in=5):
        name = operations[number - 1]
        ended = workspace.play(*ONE, fault_at=number, fault_code=code, short=short)
        death = RunState.of(workspace)
        if ended.code == 0:
            assert short, f"operation {number}, {name}: only a short write of a derived file is continued"
        else:
            assert ended.code == 3, ended.stderr
            assert _explains(ended.stderr, code, short=short), ended.stderr
            # What was in flight is the last that was sent: no conversation goes a step further.
            assert len(workspace.api.ledger) <= len(death.replies) + len(death.in_flight)
            assert workspace.go_on(*(() if _is_run(workspace) else ONE)).code == 0
        assert_promises_kept(workspace, [death])
        workspace.clear()


@pytest.mark.parametrize("first", [4, 6])
def test_a_disk_that_fails_while_three_conversations_talk(workspace: CrashWorkspace, first: int) -> None:
    """A failure in one stops the others too: nothing is sent that the journal could not announce."""
    for number in spread(range(first, 100, 8), one_in=4):
        ended = workspace.play(fault_at=number, fault_code=errno.EIO)
        death = RunState.of(workspace)
        assert ended.code in {0, 3}, ended.stderr
        if ended.code == 3:
            assert _explains(ended.stderr, errno.EIO, short=False), ended.stderr
            assert len(workspace.api.ledger) <= len(death.replies) + len(death.in_flight)
            assert workspace.go_on().code == 0
        else:
            assert number > 80, "the run is longer than that"
        assert_promises_kept(workspace, [death])
        workspace.clear()


def _is_run(workspace: CrashWorkspace) -> bool:
    return workspace.next_arguments()[0] == "resume"


def _explains(stderr: str, code: int, *, short: bool) -> bool:
    *_, last = stderr.splitlines()
    reason = "make room and go on with `claude-run resume " if short else os.strerror(code)
    return last.startswith("error: ") and reason in last
