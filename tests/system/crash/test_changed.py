"""A scenario that changes between a run and its resume."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.system.crash.promises import RunState, key_of
from tests.system.crash.workspace import TALK
from tests.system.harness.fork_server import KILLED
from tests.system.harness.sweeps import spread

if TYPE_CHECKING:
    from tests.system.crash.workspace import CrashWorkspace

OTHER = TALK.replace("name: talk", "name: other").replace("Give me", "Tell me")
FAREWELL = TALK.replace("Goodbye from", "Farewell from")


def test_a_changed_scenario_is_refused(workspace: CrashWorkspace) -> None:
    """The message names the file and the three ways out; nothing is sent."""
    assert workspace.play(crash_at=20).code == KILLED
    sent = len(workspace.api.ledger)
    workspace.write(FAREWELL)
    refused = workspace.resume()
    assert refused.code == 2
    assert refused.stderr == (
        "going on with run\n"
        "error: the scenarios are not what they were when the run was started (changed: talk.yaml): put the"
        " old ones back, start a new run with --reuse run, or pass --changed to play them as they are now\n"
    )
    assert len(workspace.api.ledger) == sent
    workspace.write()
    assert workspace.resume().code == 0


def test_a_changed_list_of_cases_is_refused_by_the_name_of_its_file(workspace: CrashWorkspace) -> None:
    """That the file changed is said before anything that follows from it."""
    assert workspace.play(crash_at=20).code == KILLED
    workspace.write(TALK.replace("  - {id: eve, vars: {who: Eve}}\n", ""))
    refused = workspace.resume()
    assert refused.code == 2
    assert "(changed: talk.yaml)" in refused.stderr
    assert workspace.resume("--changed").code == 0
    assert [row["case"] for row in workspace.transcripts()] == ["ada", "bob"]
    assert "differs" not in workspace.run("verify", "run").stdout


def test_only_what_changed_is_played_anew(workspace: CrashWorkspace) -> None:
    """Of the changed scenario only the requests that differ are sent, of the other none."""
    (workspace.folder / "other.yaml").write_text(OTHER, encoding="utf-8")
    assert workspace.play("other.yaml").code == 0
    assert len(workspace.api.ledger) == 18
    workspace.write(FAREWELL)
    assert workspace.resume("--changed").code == 0
    assert [body["messages"][-1]["content"] for body in workspace.api.ledger[18:]] == [
        f"Farewell from {who}." for who in ("Ada", "Bob", "Eve")
    ]
    rows = workspace.transcripts()
    assert [row["replayed"] for row in rows] == [True] * 3 + [False] * 3
    assert [row["turns"][2]["content"] for row in rows[:3]] == [
        f"Farewell from {who}." for who in ("Ada", "Bob", "Eve")
    ]
    assert workspace.resume().code == 0
    assert len(workspace.api.ledger) == 21


def test_a_new_scenario_is_named_and_played_with_changed(workspace: CrashWorkspace) -> None:
    """What the same command would play now is never left out in silence."""
    folder = workspace.folder / "suite"
    folder.mkdir()
    workspace.scenario.rename(folder / "talk.yaml")
    assert workspace.run("suite", "-o", "run", crash_at=20).code == KILLED
    (folder / "other.yaml").write_text(OTHER, encoding="utf-8")
    refused = workspace.resume()
    assert refused.code == 2
    assert "(new: suite/other.yaml)" in refused.stderr
    assert workspace.resume("--changed").code == 0
    assert {row["scenario"] for row in workspace.transcripts()} == {"talk", "other"}
    assert "differs" not in workspace.run("verify", "run").stdout
    assert workspace.resume().code == 0


@pytest.mark.parametrize("named", ["suite", "suite/other.yaml suite/talk.yaml"])
def test_a_scenario_that_is_gone_is_named_and_left_out_with_changed(
    workspace: CrashWorkspace, named: str
) -> None:
    """Its conversations are no longer part of the run; what they cost stays spent."""
    folder = workspace.folder / "suite"
    folder.mkdir()
    workspace.scenario.rename(folder / "talk.yaml")
    (folder / "other.yaml").write_text(OTHER, encoding="utf-8")
    assert workspace.run(*named.split(), "-o", "run", crash_at=20).code == KILLED
    (folder / "other.yaml").unlink()
    refused = workspace.resume()
    assert refused.code == 2
    assert "(gone: suite/other.yaml)" in refused.stderr
    assert workspace.resume("--changed").code == 0
    assert {row["scenario"] for row in workspace.transcripts()} == {"talk"}
    assert "differs" not in workspace.run("verify", "run").stdout


def test_changed_expectations_give_a_new_verdict_and_send_nothing(workspace: CrashWorkspace) -> None:
    """The replies are there; only what is asked of them is another thing."""
    assert workspace.play().code == 0
    workspace.write(TALK.replace("contains: number", "contains: zebra"))
    assert workspace.resume("--changed").code == 1
    assert [row["outcome"] for row in workspace.transcripts()] == ["failed"] * 3
    workspace.write(TALK.replace("contains: number", "contains: zebra") + "pass_rate: 0.0\n")
    assert workspace.resume("--changed").code == 0
    assert len(workspace.api.ledger) == 9


@pytest.mark.parametrize(("number", "at"), spread(list(product(range(1, 9), (20, 0))), one_in=5))
def test_killed_while_the_change_is_taken_over(workspace: CrashWorkspace, at: int, number: int) -> None:
    """Whichever of the two files was written last, no old turn is taken for one of the new text.

    The run was cut off at a write, or was done where `at` is 0.
    """
    assert workspace.play(crash_at=at).code in {KILLED, 0}
    before = RunState.of(workspace)
    workspace.write(FAREWELL)
    assert workspace.resume("--changed", crash_at=number).code == KILLED
    ended = workspace.resume()
    if ended.code == 2:
        assert "(changed: talk.yaml)" in ended.stderr
        ended = workspace.resume("--changed")
    assert ended.code == 0
    assert [row["turns"][2]["content"] for row in workspace.transcripts()] == [
        f"Farewell from {who}." for who in ("Ada", "Bob", "Eve")
    ]
    later = {key_of(body) for body in workspace.api.ledger[before.sent :]}
    assert not later & set(before.replies)
