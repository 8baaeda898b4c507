"""`review`: what changed since the baseline, listed for programs, and walked through by key at a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.command import COMMAND, PATIENCE_S, environment
from tests.system.gate.api import obeys
from tests.system.gate.workspace import BAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.gate.workspace import GateWorkspace

PROMPT = "a accept, r reject, s skip, o show both whole, q quit"
ASKED = "May I return case-01?"
OLD, NEW = "You can return it within 30 days.", "You can return it any day."


@pytest.fixture
def changed(workspace: GateWorkspace) -> GateWorkspace:
    """Give a baseline of three cases, and a run `second` in which all three replies changed."""
    workspace.accept(cases=3)
    workspace.write(cases=3, system=BAD)
    assert workspace.play("second").code == 1
    return workspace


def walk(
    workspace: GateWorkspace, keys: str, *, meanwhile: Callable[[], object] = lambda: None
) -> tuple[int, str]:
    """Review `second` at a terminal, one key after each prompt; return the exit code and what was shown.

    What happens `meanwhile` does so before the first key.
    """
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(COMMAND), "review", "second"],
        cwd=workspace.folder,
        env=environment(workspace.folder, {"TERM": "dumb"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown, left = "", list(keys)
    try:
        while piece := _read(mine):
            shown += piece
            if left and shown.count(PROMPT) > len(keys) - len(left):
                if len(left) == len(keys):
                    meanwhile()
                os.write(mine, left.pop(0).encode())
        code = process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
        os.close(mine)
    assert left == []
    assert "Traceback" not in shown
    return code, shown.replace("\r\n", "\n")


def _read(descriptor: int) -> str:
    """Return what came; nothing once the other side is closed, which Linux reports as an error."""
    try:
        return os.read(descriptor, 65536).decode()
    except OSError:
        return ""


def replies(workspace: GateWorkspace) -> dict[str, str]:
    """Return the accepted reply of each case."""
    return {
        name.partition("/")[0]: "\n".join(value["replies"][0]) for name, value in workspace.accepted().items()
    }


def pending(workspace: GateWorkspace, *arguments: str) -> Any:
    """Return what `--pending --json` lists, and check the exit code that goes with it."""
    done = workspace.run_offline("review", "second", "--pending", "--json", *arguments)
    found = json.loads(done.stdout)
    assert done.code == (1 if found else 0)
    return found


def test_changes_are_listed_for_programs(changed: GateWorkspace) -> None:
    """Each change has its id, its scores and the turns that differ; it may be read in CI."""
    done = changed.run_offline("review", "second", "--pending", "--json", CI="true")
    assert done.code == 1
    first, *others = json.loads(done.stdout)
    assert len(others) == 2
    assert first == {
        "id": "refund/case-01/claude-haiku-5-5",
        "path": "refund.yaml",
        "accepted": "1/1",
        "now": "0/1",
        "edited": [],
        "turns": [{"turn": 1, "asked": ASKED, "accepted": OLD, "now": NEW}],
    }


def test_changes_are_listed_for_people(changed: GateWorkspace) -> None:
    """One line each."""
    done = changed.run_offline("review", "second", "--pending")
    assert done.code == 1
    assert done.stdout.splitlines()[0] == "refund/case-01/claude-haiku-5-5  1/1 -> 0/1"


def test_nothing_is_pending_where_nothing_changed(workspace: GateWorkspace) -> None:
    """An equal run needs no review, and a walk ends at once."""
    workspace.accept(cases=3)
    assert workspace.play("second").code == 0
    assert pending(workspace) == []
    code, shown = walk(workspace, "")
    assert (code, "nothing is left open" in shown) == (0, True)


def test_one_key_each(changed: GateWorkspace) -> None:
    """Accepted is written, rejected is remembered, skipped stays open."""
    code, shown = walk(changed, "ars")
    assert code == 1
    assert "1/3  refund/case-01/claude-haiku-5-5  1/1 -> 0/1" in shown
    assert "[-within 30 days.-]" in shown
    assert "1 change left open" in shown
    assert replies(changed) == {"case-01": NEW, "case-02": OLD, "case-03": OLD}
    assert [each["id"] for each in pending(changed)] == ["refund/case-03/claude-haiku-5-5"]


def test_all_accepted_leaves_nothing_open(changed: GateWorkspace) -> None:
    """Exit 0, and the next run is held against what was accepted."""
    code, shown = walk(changed, "aaa")
    assert (code, "nothing is left open" in shown) == (0, True)
    assert set(replies(changed).values()) == {NEW}
    assert pending(changed) == []


def test_quitting_leaves_the_rest_open(changed: GateWorkspace) -> None:
    """What was decided before stays decided; a capital letter is the same key."""
    code, shown = walk(changed, "Aq")
    assert code == 1
    assert "2 changes left open" in shown
    assert "3/3" not in shown
    assert replies(changed)["case-02"] == OLD


def test_control_d_quits(changed: GateWorkspace) -> None:
    """Nothing is accepted by leaving."""
    code, _ = walk(changed, "\x04")
    assert code == 1
    assert set(replies(changed).values()) == {OLD}


def test_other_keys_ask_again_and_both_replies_can_be_shown(changed: GateWorkspace) -> None:
    """`o` shows both whole, as often as wanted; an unknown key does nothing."""
    code, shown = walk(changed, "xoq")
    assert code == 1
    assert f"    asked: {ASKED}\n" in shown
    assert f"== turn 1, asked\n{ASKED}" in shown
    assert f"== turn 1, accepted\n{OLD}" in shown
    assert f"== turn 1, now\n{NEW}" in shown
    assert shown.count(PROMPT) == 3


def test_a_new_case_is_accepted_with_its_model_and_origin(workspace: GateWorkspace) -> None:
    """Without a baseline the first accepted change begins one."""
    workspace.write(cases=2)
    assert workspace.run("refund.yaml", "-o", "second", "--simulate").code == 1
    code, shown = walk(workspace, "as")
    assert code == 1
    assert "new -> 0/1" in shown
    whole = json.loads(workspace.baseline.read_text(encoding="utf-8"))
    assert (whole["simulated"], len(whole["cases"])) == (True, 1)


def test_what_changed_meanwhile_is_not_written_over(changed: GateWorkspace) -> None:
    """Whoever accepts a change has seen it beside the reply accepted then, and not beside a later one."""

    def accept_another() -> None:
        whole = json.loads(changed.baseline.read_text(encoding="utf-8"))
        whole["cases"]["case-02/claude-haiku-5-5"]["replies"] = [["Within 14 days."]]
        changed.baseline.write_text(json.dumps(whole), encoding="utf-8")

    code, shown = walk(changed, "aaa", meanwhile=accept_another)
    assert code == 1
    words = " ".join(shown.split())
    assert "refund/case-02/claude-haiku-5-5 stays open: its baseline has been changed meanwhile" in words
    assert "1 change left open" in shown
    assert replies(changed) == {"case-01": NEW, "case-02": "Within 14 days.", "case-03": NEW}


def test_two_who_reject_at_once_lose_nothing(changed: GateWorkspace) -> None:
    """What another terminal has rejected since is kept."""
    rejected = changed.folder / "second" / "review.json"
    other = ["refund/case-03/claude-haiku-5-5"]
    code, _ = walk(changed, "rq", meanwhile=lambda: rejected.write_text(json.dumps(other), encoding="utf-8"))
    assert code == 1
    assert json.loads(rejected.read_text(encoding="utf-8")) == ["refund/case-01/claude-haiku-5-5", *other]


def test_what_was_accepted_meanwhile_is_not_rejected(changed: GateWorkspace) -> None:
    """Whoever rejects a change must have seen it beside what is accepted now: nothing is both at once."""

    def accept_second() -> None:
        assert walk(changed, "sas")[0] == 1

    code, shown = walk(changed, "srs", meanwhile=accept_second)
    assert code == 1
    words = " ".join(shown.split())
    assert "refund/case-02/claude-haiku-5-5 stays open: its baseline has been changed meanwhile" in words
    assert not (changed.folder / "second" / "review.json").exists()
    assert replies(changed)["case-02"] == NEW


def test_what_was_rejected_meanwhile_can_be_accepted_and_is_rejected_no_more(changed: GateWorkspace) -> None:
    """The later of two who saw the same decides."""
    code, _ = walk(changed, "aas", meanwhile=lambda: walk(changed, "rsr"))
    assert code == 1
    assert replies(changed) == {"case-01": NEW, "case-02": NEW, "case-03": OLD}
    rejected = (changed.folder / "second" / "review.json").read_text(encoding="utf-8")
    assert json.loads(rejected) == ["refund/case-03/claude-haiku-5-5"]


def test_a_run_that_is_accepted_wholly_is_rejected_in_no_part(changed: GateWorkspace) -> None:
    """What was rejected before is in the baseline now."""
    assert walk(changed, "rrr")[0] == 0
    assert changed.run_offline("accept", "second", "--with-failures").code == 0
    rejected = (changed.folder / "second" / "review.json").read_text(encoding="utf-8")
    assert json.loads(rejected) == []
    assert set(replies(changed).values()) == {NEW}


def test_review_needs_a_terminal_and_no_ci(changed: GateWorkspace) -> None:
    """Otherwise it says what to do, and writes nothing."""
    before = changed.baseline.read_bytes()
    done = changed.run_offline("review", "second")
    assert done.code == 2
    assert "--pending" in done.stderr
    done = changed.run_offline("review", "second", CI="1")
    assert done.code == 2
    assert "not written when CI is set" in done.stderr
    assert changed.baseline.read_bytes() == before


@pytest.mark.parametrize("text", ["{", "5", "[[]"])
def test_a_damaged_list_of_rejections_is_named(changed: GateWorkspace, text: str) -> None:
    """It is not taken for empty, nor for a bug."""
    (changed.folder / "second" / "review.json").write_text(text, encoding="utf-8")
    done = changed.run_offline("review", "second", "--pending")
    assert done.code == 3
    assert "review.json is damaged" in done.stderr


def test_what_was_edited_since_is_said(workspace: GateWorkspace) -> None:
    """Expectations and variables of a case are no longer those that its accepted score belongs to."""
    workspace.accept(cases=2)
    workspace.write(cases=2, expect="contains: days")
    scenario = workspace.folder / "refund.yaml"
    text = scenario.read_text(encoding="utf-8").replace("item: case-02", "item: case-two")
    scenario.write_text(text, encoding="utf-8")
    assert workspace.play("second").code == 0
    since = "edited since it was accepted"
    assert workspace.run_offline("review", "second", "--pending").stdout.splitlines() == [
        f"refund/case-01/claude-haiku-5-5  1/1 -> 1/1  its expectations were {since}",
        f"refund/case-02/claude-haiku-5-5  1/1 -> 1/1  its expectations and variables were {since}",
    ]
    assert [each["edited"] for each in pending(workspace)] == [
        ["expectations"],
        ["expectations", "variables"],
    ]
    code, shown = walk(workspace, "aa")
    assert (code, f"its expectations were {since}" in shown) == (0, True)
    assert pending(workspace) == []


def test_a_review_keeps_the_reason_of_the_baseline(changed: GateWorkspace) -> None:
    """One accepted change is not the whole file."""
    assert changed.run_offline("accept", "accepted", "--reason", "Because").code == 0
    assert walk(changed, "ass")[0] == 1
    assert json.loads(changed.baseline.read_text(encoding="utf-8"))["reason"] == "Because"
    assert replies(changed)["case-01"] == NEW


def test_fewer_attempts_that_all_pass_are_no_change(workspace: GateWorkspace) -> None:
    """What ten attempts have shown is not open again in each pull request, and other words do not undo it."""
    workspace.accept(cases=2, more="repeat: 10")
    assert workspace.play("same", "-n", "2").code == 0
    assert workspace.run("review", "same", "--pending").code == 0
    workspace.api.reply = lambda body, nth: f"{obeys(body, nth)} Any time."
    assert workspace.play("second", "-n", "2").code == 0
    assert len(pending(workspace)) == 2
    assert walk(workspace, "aa")[0] == 0
    cases = [(case["passed"], case["measured"], case["replies"]) for case in workspace.accepted().values()]
    assert cases == [(10, 10, [["You can return it within 30 days. Any time."]])] * 2
