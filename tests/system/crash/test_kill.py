"""SIGKILL at every write and at any time: the run is resumed, and nothing is lost or paid for twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claude_run.record.made_of import DERIVED
from tests.system.crash.promises import RunState, assert_promises_kept
from tests.system.crash.random_kills import UndisturbedRun, kill_at_random, play_undisturbed
from tests.system.crash.workspace import STREAMED_TALK, CrashWorkspace
from tests.system.harness.fork_server import KILLED
from tests.system.harness.sweeps import spread

if TYPE_CHECKING:
    from tests.system.crash.api import LedgerApi
    from tests.system.harness.fork_server import ForkServer

PARTS = 4
MOST_WRITES = 200
RANDOM_KILLS = 20


@pytest.fixture(scope="module")
def undisturbed(
    fork_server: ForkServer, served_api: LedgerApi, tmp_path_factory: pytest.TempPathFactory
) -> UndisturbedRun:
    """Give the run that nothing happened to."""
    workspace = CrashWorkspace(
        folder=tmp_path_factory.mktemp("undisturbed"), fork_server=fork_server, api=served_api
    )
    workspace.write()
    served_api.reset()
    return play_undisturbed(workspace)


@pytest.mark.parametrize("tear", [False, True], ids=["whole", "torn"])
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_write(
    workspace: CrashWorkspace, undisturbed: UndisturbedRun, part: int, *, tear: bool
) -> None:
    """Whatever the write was for, one resume ends the run as if nothing had happened."""
    every = range(1 + part, MOST_WRITES, PARTS)
    # Of a spread sample the torn writes are others than the whole ones.
    for number in spread(every, one_in=6, first=(part + 3 * tear) % 6):
        killed = workspace.play(crash_at=number, tear=tear)
        if killed.code != KILLED:
            assert killed.code == 0
            break
        death = RunState.of(workspace)
        assert workspace.go_on().code == 0
        assert_promises_kept(workspace, [death])
        assert workspace.transcripts() == undisturbed.transcripts
        assert len(workspace.api.ledger) <= 9 + len(death.in_flight)
        workspace.clear()
    else:
        pytest.fail(f"no run of three conversations writes {MOST_WRITES} times")
    assert number > 39, "a run of three conversations writes more often than that"


def test_killed_at_every_write_of_a_resume_again_and_again(
    workspace: CrashWorkspace, undisturbed: UndisturbedRun
) -> None:
    """A run that dies at every write of a resume, each time at the next, still ends as an undisturbed one."""
    deaths = []
    ended = workspace.play(crash_at=10)
    while ended.code == KILLED:
        deaths.append(RunState.of(workspace))
        ended = workspace.resume(crash_at=6 + len(deaths), tear=bool(len(deaths) % 2))
    assert ended.code == 0
    assert len(deaths) > 6
    assert_promises_kept(workspace, deaths)
    assert workspace.transcripts() == undisturbed.transcripts


@pytest.mark.parametrize("seed", spread(range(RANDOM_KILLS), one_in=5))
def test_killed_at_a_random_time(workspace: CrashWorkspace, undisturbed: UndisturbedRun, seed: int) -> None:
    """The promise does not depend on where between two instructions the process dies."""
    deaths = kill_at_random(workspace, undisturbed, seed=seed)
    assert_promises_kept(workspace, deaths)
    assert workspace.transcripts() == undisturbed.transcripts


def test_killed_in_the_middle_of_streams(workspace: CrashWorkspace) -> None:
    """A stream that nobody lived to read is in flight, and one that was read whole is not sent again."""
    workspace.write(STREAMED_TALK)
    undisturbed = play_undisturbed(workspace)
    for seed in spread(range(5), one_in=4):
        deaths = kill_at_random(workspace, undisturbed, seed=seed)
        assert all(body["stream"] for body in workspace.api.ledger)
        assert_promises_kept(workspace, deaths)
        assert workspace.transcripts() == undisturbed.transcripts
        workspace.clear()


def test_the_checker_sees_a_turn_that_is_sent_again(workspace: CrashWorkspace) -> None:
    """A checker that cannot fail proves nothing: without its journal the run sends everything again."""
    assert workspace.play().code == 0
    death = RunState.of(workspace)
    workspace.journal.write_bytes(b"")
    for name in DERIVED:
        (workspace.run_folder / name).unlink(missing_ok=True)
    assert workspace.resume().code == 0
    with pytest.raises(AssertionError, match="9 finished turns were sent again"):
        assert_promises_kept(workspace, [death])


def test_a_run_killed_before_it_was_one_is_not_taken_for_another(workspace: CrashWorkspace) -> None:
    """`--resume FOLDER` never goes on with a run in another folder."""
    assert workspace.run("talk.yaml").code == 0
    assert workspace.play(crash_at=1).code == KILLED
    sent = len(workspace.api.ledger)
    refused = workspace.resume()
    assert refused.code == 2
    assert "run holds no run: name a folder that claude-run wrote" in refused.stderr
    assert len(workspace.api.ledger) == sent
