"""A scenario that changes between a run and its resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.crash.promises import RunState, key_of
from tests.system.crash.workspace import TALK
from tests.system.harness.fork_server import KILLED

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
        "error: talk.yaml: changed since the run was started; put the old text back, start a new run with"
        " --reuse, or pass --resume-changed to play what changed anew in this one\n"
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
    assert "talk.yaml: changed since the run was started" in refused.stderr
    anew = workspace.resume("--resume-changed")
    assert anew.code == 2
    assert "'talk/eve/claude-haiku-5-5'" in anew.stderr


def test_only_what_changed_is_played_anew(workspace: CrashWorkspace) -> None:
    """Of the changed scenario only the requests that differ are sent, of the other none."""
    (workspace.folder / "other.yaml").write_text(OTHER, encoding="utf-8")
    assert workspace.play("other.yaml").code == 0
    assert len(workspace.api.ledger) == 18
    workspace.write(FAREWELL)
    assert workspace.resume("--resume-changed").code == 0
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


def test_changed_expectations_give_a_new_verdict_and_send_nothing(workspace: CrashWorkspace) -> None:
    """The replies are there; only what is asked of them is another thing."""
    assert workspace.play().code == 0
    workspace.write(TALK.replace("contains: number", "contains: zebra"))
    assert workspace.resume("--resume-changed").code == 1
    assert [row["outcome"] for row in workspace.transcripts()] == ["failed"] * 3
    workspace.write(TALK.replace("contains: number", "contains: zebra") + "pass_rate: 0.0\n")
    assert workspace.resume("--resume-changed").code == 0
    assert len(workspace.api.ledger) == 9


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("at", [20, 0], ids=["half", "done"])
def test_killed_while_the_change_is_taken_over(workspace: CrashWorkspace, at: int, number: int) -> None:
    """Whichever of the two files was written last, no old turn is taken for one of the new text."""
    assert workspace.play(crash_at=at).code in {KILLED, 0}
    before = RunState.of(workspace)
    workspace.write(FAREWELL)
    assert workspace.resume("--resume-changed", crash_at=number).code == KILLED
    ended = workspace.resume()
    if ended.code == 2:
        assert "talk.yaml: changed" in ended.stderr
        ended = workspace.resume("--resume-changed")
    assert ended.code == 0
    assert [row["turns"][2]["content"] for row in workspace.transcripts()] == [
        f"Farewell from {who}." for who in ("Ada", "Bob", "Eve")
    ]
    later = {key_of(body) for body in workspace.api.ledger[before.sent :]}
    assert not later & set(before.replies)
