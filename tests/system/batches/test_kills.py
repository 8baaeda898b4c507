"""A run in batches that dies at any time submits every request exactly once."""

from __future__ import annotations

import random
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.record.made_of import DERIVED
from tests.system.batches.api import TALK, BatchApi, comparable
from tests.system.batches.kills import FAULTS, Undisturbed, kill_at_random, play_undisturbed
from tests.system.harness.fork_server import KILLED
from tests.system.harness.sweeps import spread
from tests.system.harness.workspace import open_workspace, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.harness.fork_server import ForkServer
    from tests.system.harness.workspace import Workspace

KILLS = 50
CAP_USD = 0.0002
"""Of the 120 requests of forty conversations not all fit."""
MOST_WRITES = 200
WRITES = 50
"""A run of four conversations writes more often than that."""
LIVE_USD = 0.0005
"""What the one request that was sent live may have cost at most."""


@pytest.fixture(scope="module")
def undisturbed(fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Give the run that nothing happened to."""
    with open_workspace(tmp_path_factory.mktemp("undisturbed"), fork_server) as workspace:
        workspace.write("talk.yaml", TALK)
        return play_undisturbed(workspace)


@pytest.mark.parametrize("seed", spread(range(KILLS), one_in=10))
def test_killed_at_a_random_time(workspace: Workspace, undisturbed: Undisturbed, seed: int) -> None:
    """Nothing is submitted twice, nothing is lost, and the transcripts are those of an undisturbed run."""
    workspace.write("talk.yaml", TALK)
    assert kill_at_random(workspace, undisturbed, seed=seed)


@pytest.mark.parametrize("tear", [False, True], ids=["whole", "torn"])
def test_killed_at_every_write(
    workspace: Workspace, undisturbed: Undisturbed, fork_server: ForkServer, *, tear: bool
) -> None:
    """Whatever the write was for, one resume ends the run, and submits nothing that was submitted."""
    scenario = workspace.write("talk.yaml", TALK)
    for number in spread(range(1, MOST_WRITES), one_in=9, first=4 * tear):
        with BatchApi(scenario=scenario, faults=FAULTS) as api:
            conditions: dict[str, Any] = {"url": api.base_url, "speed": 20.0}
            killed = fork_server.run(
                workspace.folder,
                *("talk.yaml", "--batch", "-o", "out"),
                crash_at=number,
                tear=tear,
                **conditions,
            )
            if killed.code != KILLED:
                assert killed.code == 0, killed.stderr
                break
            has_begun = (workspace.folder / "out" / "run.json").exists()
            again = ("resume", "out") if has_begun else ("talk.yaml", "--batch", "-o", "out")
            ended = fork_server.run(workspace.folder, *again, **conditions)
            assert ended.code == 0, ended.stderr
            assert set(api.submissions().values()) == {1}, f"killed at write {number}"
            assert len(api.submissions()) == undisturbed.requests - 1
        assert comparable(workspace.folder / "out") == undisturbed.transcripts
        assert workspace.summary()["totals"]["uncertain_cost_usd"] < LIVE_USD
        shutil.rmtree(workspace.folder / "out")
    assert number > WRITES


def test_the_checker_sees_a_request_that_is_submitted_again(workspace: Workspace) -> None:
    """A checker that cannot fail proves nothing: without its journal a run submits everything again."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario) as api:
        assert workspace.run("talk.yaml", "--batch", "-o", "out", url=api.base_url).code == 0
        (workspace.folder / "out" / "journal.jsonl").write_bytes(b"")
        for name in DERIVED:
            (workspace.folder / "out" / name).unlink(missing_ok=True)
        assert workspace.run("resume", "out", url=api.base_url).code == 0
        assert 2 in api.submissions().values()


@pytest.mark.parametrize("seed", spread(range(10), one_in=5))
def test_the_bill_of_a_run_that_is_killed_stays_below_its_cap(workspace: Workspace, seed: int) -> None:
    """Whatever is under way when it dies counts at its worst case, in the processes after it as well."""
    scenario = workspace.write("talk.yaml", TALK)
    chance = random.Random(seed)  # noqa: S311 - the same kills every time, not a secret
    journal = workspace.folder / "out" / "journal.jsonl"
    with BatchApi(scenario=scenario, faults=f"{FAULTS} batch-error=20%") as api:
        arguments = ("talk.yaml", "--batch", "-n", "10", "--max-cost", str(CAP_USD), "-o", "out")
        for _ in range(6):
            before, has_begun = _length(journal), journal.exists()
            running = workspace.start(
                *(("resume", "out") if has_begun else arguments), url=api.base_url, speed=20.0
            )
            # Counted from its first word, because a busy machine may take as long as that to start.
            until(lambda: _length(journal) > before or running.process.poll() is not None)  # noqa: B023 - at once
            time.sleep(chance.uniform(0.0, 0.5))
            running.process.kill()
            running.wait()
        ended = workspace.run("resume", "out", url=api.base_url, speed=20.0)
        assert ended.code == 4, ended.stderr
    paid = [event["cost_usd"] for event in workspace.events("reply")]
    assert 0 < sum(paid) <= CAP_USD
    assert workspace.summary()["totals"]["cost_usd"] <= CAP_USD


def test_the_answer_to_a_submission_is_lost(workspace: Workspace) -> None:
    """The batch is found again in the list, and its results are those of the run."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario, faults="batch-lost=2") as api:
        ended = workspace.run("talk.yaml", "--batch", "-o", "out", url=api.base_url, speed=20.0)
        assert ended.code == 0, ended.stderr
        assert api.sizes == [4, 4, 3]
        assert set(api.submissions().values()) == {1}
    assert not workspace.events("failure")
    assert workspace.summary()["totals"]["uncertain_cost_usd"] == 0


def test_the_batch_of_another_run_is_not_taken_for_ours(workspace: Workspace) -> None:
    """Two runs of one scenario have the same requests: the token in their ids tells whose a batch is."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario, faults="batch-lost=1 batch-delay=500ms") as api:
        first = workspace.start("talk.yaml", "--batch", "-o", "out", url=api.base_url, speed=5.0)
        second = workspace.start("talk.yaml", "--batch", "-o", "other", url=api.base_url, speed=5.0)
        assert (first.wait().code, second.wait().code) == (0, 0)
        assert sum(api.sizes) == 22
        tokens = [{name.partition("-")[0] for name in batch} for batch in api.batches]
    assert all(len(each) == 1 for each in tokens)
    for run in ("out", "other"):
        ours = {event["batch"] for event in workspace.events("run", run) if "batch" in event}
        ids = {event["id"] for event in workspace.events("run", run) if event["what"] == "batch_submitted"}
        assert len(ours) == len(ids) == 3
    assert comparable(workspace.folder / "out") == comparable(workspace.folder / "other")


def _length(journal: Path) -> int:
    return journal.stat().st_size if journal.exists() else 0
