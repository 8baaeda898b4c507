"""Which runs may become a baseline, and where it is written: one rule for `accept`, `review` and the gate."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.gate.api import obeys, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.gate.workspace import GateWorkspace

JUDGED = "judge: {model: claude-opus-5-5}"
WAY_OUT = "; `claude-run resume {} --retry-errors` goes on with it\n"


def _errors(workspace: GateWorkspace) -> str:
    workspace.write(cases=3)
    workspace.api.reply = lambda body, nth: None if "case-02" in said(body) else obeys(body, nth)
    assert workspace.play("run").code == 3
    return "1 conversation could not be measured: refund/case-02/claude-haiku-5-5"


def _judge(workspace: GateWorkspace) -> str:
    workspace.write(cases=5, expect="judge: The reply is polite.", more=JUDGED)
    workspace.api.judge = lambda _body, _nth: None
    assert workspace.play("run").code == 3
    names = ", ".join(f"refund/case-0{number}/claude-haiku-5-5" for number in (1, 2, 3))
    return f"5 conversations could not be measured: {names}, ..."


def _cap(workspace: GateWorkspace) -> str:
    workspace.write(cases=3)
    assert workspace.play("run", "--max-requests", "2", "-j", "1").code == 4
    return "1 conversation not played: refund/case-03/claude-haiku-5-5"


def _first_failure(workspace: GateWorkspace) -> str:
    workspace.write(cases=2, expect="contains: zebra")
    assert workspace.play("run", "-x", "-j", "1").code == 1
    return "1 conversation not played: refund/case-02/claude-haiku-5-5"


def _kill_at_the_end(workspace: GateWorkspace) -> str:
    workspace.write(cases=1)
    assert workspace.play("whole").code == 0
    whole, run = workspace.folder / "whole", workspace.folder / "run"
    run.mkdir()
    shutil.copy(whole / "run.json", run)
    journal = (whole / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (run / "journal.jsonl").write_bytes(b"".join(journal[:-1]))
    return "the run was cut off before its end"


UNMEASURED = [_errors, _judge, _cap, _first_failure, _kill_at_the_end]


@pytest.mark.parametrize("spoil", UNMEASURED)
def test_what_was_not_measured_whole_is_nobodys_baseline(
    workspace: GateWorkspace, spoil: Callable[[GateWorkspace], str]
) -> None:
    """`accept`, `review` and `--baseline RUN` refuse it in the same words, and nothing is written or sent."""
    reason = spoil(workspace)
    refusal = f"error: run is not a baseline: {reason}{WAY_OUT.format('run')}"
    sent = len(workspace.api.bodies)
    for arguments in (
        ("accept", "run", "--with-failures"),
        ("review", "run"),
        ("review", "run", "--pending"),
        ("review", "run", "--json"),
        ("refund.yaml", "-o", "next", "--baseline", "run"),
    ):
        done = workspace.run(*arguments)
        assert (done.code, done.stdout, done.stderr) == (2, "", refusal), arguments
    assert not workspace.baseline.exists()
    assert len(workspace.api.bodies) == sent


def test_the_way_out_of_an_unmeasured_run_leads_out(workspace: GateWorkspace) -> None:
    """Resumed as the refusal says, the run is accepted."""
    _judge(workspace)
    workspace.api.judge = lambda _body, _nth: json.dumps({"reason": "fine", "verdict": "pass"})
    assert workspace.run("resume", "run", "--retry-errors").code == 0
    assert workspace.run("accept", "run").code == 0
    assert len(workspace.accepted()) == 5


def _elsewhere(workspace: GateWorkspace) -> GateWorkspace:
    """Return a project beside the workspace, whose run `run` was played from a path that leads everywhere."""
    workspace.write(cases=2)
    other = workspace.folder / "theirs"
    other.mkdir()
    (other / "refund.yaml").write_bytes((workspace.folder / "refund.yaml").read_bytes())
    assert workspace.run(other / "refund.yaml", "-o", "run").code == 0
    mine = workspace.folder / "mine"
    mine.mkdir()
    shutil.move(workspace.folder / "run", mine / "run")
    return type(workspace)(folder=mine, fork_server=workspace.fork_server, api=workspace.api)


@pytest.mark.parametrize("command", [("accept", "run"), ("review", "run", "--pending")])
def test_a_baseline_is_never_written_where_a_foreign_folder_says(
    workspace: GateWorkspace, command: tuple[str, ...]
) -> None:
    """A path out of the project is refused by name, though a scenario of that name stands there."""
    mine = _elsewhere(workspace)
    done = mine.run(*command)
    theirs = workspace.folder / "theirs"
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {theirs}/refund.yaml, which run was played from, lies outside of {mine.folder}:"
        " a baseline is written only beside a scenario of the project that you are in\n"
    )
    assert [each.name for each in theirs.iterdir()] == ["refund.yaml"]


def test_what_the_plan_says_is_not_believed_either(workspace: GateWorkspace) -> None:
    """A `run.json` with a harmless path does not hide that of the journal, which is the one that is used."""
    mine = _elsewhere(workspace)
    mine.write(cases=2)
    plan = (mine.folder / "run" / "run.json").read_text(encoding="utf-8")
    (mine.folder / "run" / "run.json").write_text(
        plan.replace(str(workspace.folder / "theirs" / "refund.yaml"), "refund.yaml"), encoding="utf-8"
    )
    assert mine.run("accept", "run").code in {2, 3}
    assert not mine.baseline.exists()
    assert not (workspace.folder / "theirs" / "refund.baseline.json").exists()


def test_the_repository_is_one_project(workspace: GateWorkspace) -> None:
    """Inside it a scenario may be played and accepted from any folder."""
    (workspace.folder / ".git").mkdir()
    mine = _elsewhere(workspace)
    assert mine.run("accept", "run").code == 0
    assert (workspace.folder / "theirs" / "refund.baseline.json").exists()


@pytest.mark.parametrize("text", [None, "name: returns\nturns: [{user: Hi}]\n", "- 1\n"])
def test_only_the_scenario_that_stands_there_gets_a_baseline(
    workspace: GateWorkspace, text: str | None
) -> None:
    """One that is gone, renamed or no scenario any more is named, and nothing is written."""
    workspace.write(cases=2)
    assert workspace.play("run").code == 0
    scenario = workspace.folder / "refund.yaml"
    scenario.unlink()
    if text is not None:
        scenario.write_text(text, encoding="utf-8")
    for command in ("accept", "review"):
        done = workspace.run(command, "run")
        assert done.code == 2
        assert done.stderr.startswith(
            "error: refund.yaml holds no scenario 'refund': a baseline is written only"
        )
    assert not workspace.baseline.exists()


def test_labels_are_no_scenario(workspace: GateWorkspace) -> None:
    """The run of a judge over labelled replies is no baseline of anything."""
    label = {"reply": "Yes please.", "rubric": "polite", "label": "pass"}
    (workspace.folder / "labels.jsonl").write_text(json.dumps(label), encoding="utf-8")
    judging = ("judge-eval", "labels.jsonl", "--judge-model", "claude-opus-5-5", "-o", "run")
    assert workspace.run(*judging).code == 0
    done = workspace.run("accept", "run")
    assert done.code == 2
    assert "labels.jsonl holds no scenario 'judge-eval'" in done.stderr
    assert not (workspace.folder / "labels.baseline.json").exists()


def test_a_second_scenario_for_one_baseline_is_found_by_accept_too(workspace: GateWorkspace) -> None:
    """It may have come since the run."""
    workspace.write(cases=2)
    assert workspace.play("run").code == 0
    (workspace.folder / "refund.yml").write_text("name: other\nturns: [{user: Hi}]\n", encoding="utf-8")
    done = workspace.run("accept", "run")
    assert done.code == 2
    assert "refund.baseline.json would be the baseline of refund.yml too" in done.stderr
    checked = workspace.run("check", "refund.yaml")
    assert checked.code == 2
    assert "`refund.baseline.json` would be the baseline of `refund.yml` too" in checked.stderr


def test_what_is_kept_of_a_simulated_baseline_stays_called_that(workspace: GateWorkspace) -> None:
    """A part that was played for real does not make the rest real; the whole does."""
    workspace.write(cases=2, expect="max_words: 1000")
    assert workspace.play("made-up", "--simulate").code == 0
    assert workspace.run("accept", "made-up").code == 0

    def simulated() -> Any:
        return json.loads(workspace.baseline.read_text(encoding="utf-8"))["simulated"]

    assert workspace.play("part", "-k", "case-01").code == 0
    assert workspace.run("accept", "part").code == 0
    assert (simulated(), len(workspace.accepted())) == (True, 2)
    assert workspace.play("whole").code == 0
    assert workspace.run("accept", "whole").code == 0
    assert simulated() is False


def test_the_run_that_a_moving_name_meant_is_said_and_kept(workspace: GateWorkspace) -> None:
    """Each command says which run `outputs/latest` was, and a run that goes on later takes the same one."""
    workspace.write(cases=2)
    assert [workspace.play(name).code for name in ("first", "second")] == [0, 0]
    compared = workspace.run("compare", "first", "outputs/latest")
    assert "INCONCLUSIVE against baseline first: second passes" in compared.stdout
    replayed = workspace.play("third", "--replay", "outputs/latest")
    assert "taking replies from second\n" in replayed.stderr
    reused = workspace.play("fourth", "--reuse", "outputs/latest/journal.jsonl")
    assert "taking replies from third/journal.jsonl\n" in reused.stderr
    gated = workspace.play("fifth", "--baseline", "outputs/latest")
    assert "holding it against fourth" in gated.stdout + gated.stderr
    for name, option, was in (
        ("third", "replay", "second"),
        ("fourth", "reuse", "third/journal.jsonl"),
        ("fifth", "baseline", "fourth"),
    ):
        run = json.loads((workspace.folder / name / "run.json").read_bytes())
        assert run["options"][option] == was
    assert "holding it against fourth" in workspace.run("resume", "fifth").stderr


@pytest.mark.parametrize("command", ["resume", "report"])
def test_a_quiet_command_says_too_which_run_it_took(workspace: GateWorkspace, command: str) -> None:
    """`PASSED` alone is of nobody knows what."""
    workspace.write(cases=2)
    assert workspace.play("first").code == 0
    done = workspace.run(command, "-q")
    assert done.stderr.splitlines()[0].endswith(" first")
    assert done.stdout.startswith("PASSED")
