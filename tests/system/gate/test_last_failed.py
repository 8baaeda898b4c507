"""`--lf`: what failed when it was last played, also with other repeats, models, shards, and runs since."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.system.gate.api import obeys, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.system.gate.workspace import GateWorkspace

HAIKU, OPUS = "claude-haiku-5-5", "claude-opus-5-5"


def breaking(*names: str, model: str | None = None) -> Callable[[dict[str, Any], int], str | None]:
    """Return a rule that breaks the promise for the cases that are named, on one model or on all."""

    def reply(body: dict[str, Any], nth: int) -> str | None:
        meant = model in (None, body["model"]) and any(name in said(body) for name in names)
        return "Never." if meant else obeys(body, nth)

    return reply


def selected(workspace: GateWorkspace, *options: str) -> list[str]:
    """Return the ids that `--lf` selects now, without the name of the scenario."""
    done = workspace.run("refund.yaml", "--lf", "--list", *options)
    if done.code == 5:
        assert "error: --lf: nothing of this selection failed when it was last played" in done.stderr
        return []
    assert done.code == 0, done.stderr
    return [line.removeprefix("refund/") for line in done.stdout.splitlines()]


@pytest.fixture
def failing(workspace: GateWorkspace) -> GateWorkspace:
    """Give four cases, the second of which failed when all were played; whatever comes later passes."""
    workspace.write(cases=4)
    workspace.api.reply = breaking("case-02")
    assert workspace.run("refund.yaml").code == 1
    workspace.api.reply = obeys
    return workspace


def test_what_failed_is_played_and_the_runs_are_named(failing: GateWorkspace) -> None:
    """Once it passes, nothing is left."""
    run = (failing.folder / "outputs" / "latest").readlink()
    failing.api.bodies.clear()
    done = failing.run("refund.yaml", "--lf")
    assert done.code == 0
    assert f"--lf: 1 case did not pass when last played, in outputs/{run}\n" in done.stderr
    assert [said(body) for body in failing.api.bodies] == ["May I return case-02?"]
    assert selected(failing) == []


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ((), [f"case-02/{HAIKU}"]),
        (("-n", "3"), [f"case-02/{HAIKU}/{number}" for number in (1, 2, 3)]),
        (("-m", OPUS), [f"case-02/{OPUS}"]),
        (("-m", f"small={HAIKU}"), ["case-02/small"]),
        (("-m", HAIKU, "-m", OPUS), [f"case-02/{HAIKU}", f"case-02/{OPUS}"]),
        (("--shard", "1/2", "-n", "2"), [f"case-02/{HAIKU}/1", f"case-02/{HAIKU}/2"]),
        (("--shard", "2/2", "-n", "2"), []),
        (("-k", "case-02"), [f"case-02/{HAIKU}"]),
        (("-k", "case-03"), []),
    ],
)
def test_the_case_counts_and_not_the_name_of_a_conversation(
    failing: GateWorkspace, options: tuple[str, ...], ids: list[str]
) -> None:
    """Other repeats, models, labels and shards are another way to play the same case."""
    assert selected(failing, *options) == ids


@pytest.mark.parametrize(
    "between",
    [
        ("-k", "case-03"),
        ("-k", "case-03", "-o", "elsewhere"),
        ("--simulate", "-o", "made-up"),
    ],
    ids=" ".join,
)
def test_a_run_that_left_it_out_changes_nothing(failing: GateWorkspace, between: tuple[str, ...]) -> None:
    """What was not played since, or was answered by the simulator, still failed last."""
    failing.run("refund.yaml", *between)
    assert selected(failing) == [f"case-02/{HAIKU}"]


def test_wherever_the_runs_lie(workspace: GateWorkspace) -> None:
    """Several runs with folders of their own are all remembered, and named; one that was removed is not."""
    workspace.write(cases=4)
    workspace.api.reply = breaking("case-01", "case-03")
    for number in (1, 2, 3):
        assert workspace.play(f"run-{number}", "-k", f"case-0{number}").code in {0, 1}
    assert selected(workspace) == [f"case-01/{HAIKU}", f"case-03/{HAIKU}"]
    shutil.rmtree(workspace.folder / "run-1")
    assert selected(workspace) == [f"case-03/{HAIKU}"]


def test_the_last_time_counts_and_not_the_newest_folder(failing: GateWorkspace) -> None:
    """A run that is gone on with after another was played is the one that was played last."""
    assert failing.play("first", "-k", "case-01", "--max-requests", "1", "-n", "2", "-j", "1").code == 4
    assert failing.play("second", "-k", "case-01", "-n", "2").code == 0
    assert selected(failing, "-k", "case-01") == []
    failing.api.reply = breaking("case-01")
    assert failing.run("resume", "first", "--max-requests", "9").code == 1
    assert selected(failing, "-k", "case-01") == [f"case-01/{HAIKU}"]
    # A resume that had nothing to play was no play.
    failing.api.reply = obeys
    assert failing.play("third", "-k", "case-01").code == 0
    assert failing.run("resume", "first").code == 1
    assert selected(failing, "-k", "case-01") == []


def test_shards_that_were_played_apart_belong_together(workspace: GateWorkspace) -> None:
    """The failures of every shard count, whichever was played last."""
    workspace.write(cases=2)
    workspace.api.reply = breaking("case-01")
    assert workspace.play("part-1", "--shard", "1/2", "-n", "2").code == 1
    workspace.api.reply = obeys
    assert workspace.play("part-2", "--shard", "2/2", "-n", "2").code == 0
    assert selected(workspace) == [f"case-01/{HAIKU}"]
    # The whole case, played anew, is no part of anything.
    assert workspace.play("whole").code == 0
    assert selected(workspace) == []


def test_each_model_has_its_own_last_time(workspace: GateWorkspace) -> None:
    """What failed on one model is not played on another that was asked too, and passed."""
    workspace.write(cases=3)
    workspace.api.reply = breaking("case-01", model=OPUS)
    assert workspace.run("refund.yaml", "-m", HAIKU, "-m", OPUS).code == 1
    assert workspace.run("refund.yaml").code == 0
    both = ("-m", HAIKU, "-m", OPUS)
    assert selected(workspace, *both) == [f"case-01/{OPUS}"]
    assert selected(workspace) == []
    # A model that was never asked goes by the newest run that asked any.
    assert selected(workspace, "-m", "claude-sonnet-5-5") == []


def test_a_case_that_reached_its_pass_rate_has_not_failed(workspace: GateWorkspace) -> None:
    """One of two was enough for the run, so it is for `--lf`; what could not be measured did not pass."""
    workspace.write(cases=["half", "error"], more="pass_rate: 0.5")

    def reply(body: dict[str, Any], nth: int) -> str | None:
        if "error" in said(body):
            return None if nth == 1 else obeys(body, nth)
        return "Never." if nth == 1 else obeys(body, nth)

    workspace.api.reply = reply
    assert workspace.run("refund.yaml", "-n", "2").code == 3
    assert selected(workspace) == [f"error/{HAIKU}"]


def test_a_new_name_is_a_new_case(failing: GateWorkspace) -> None:
    """What was never played under its name has not failed, as with tests."""
    failing.write(cases=4, more="name: returns")
    assert selected(failing) == []


def test_a_judge_that_was_measured_is_no_run_of_scenarios(failing: GateWorkspace) -> None:
    """It changes nothing."""
    label = {"reply": "Yes please.", "rubric": "polite", "label": "pass"}
    (failing.folder / "labels.jsonl").write_text(json.dumps(label), encoding="utf-8")
    assert failing.run("judge-eval", "labels.jsonl", "--judge-model", OPUS).code == 0
    assert selected(failing) == [f"case-02/{HAIKU}"]


def test_a_replay_is_a_play(failing: GateWorkspace) -> None:
    """Its checks are those of now, so what they said there is what was said last."""
    failing.write(cases=4, expect="max_words: 100")
    assert failing.run("refund.yaml", "--replay", "outputs/latest").code == 0
    assert selected(failing) == []


def test_a_simulated_run_goes_by_simulated_runs_too(failing: GateWorkspace) -> None:
    """There the simulator is what is tested."""
    assert failing.run("refund.yaml", "--simulate").code == 1
    assert len(selected(failing, "--simulate")) == 4
    assert selected(failing) == [f"case-02/{HAIKU}"]


def test_the_runs_of_an_earlier_version_are_known_by_the_latest(failing: GateWorkspace) -> None:
    """Without a list `outputs/latest` is all that is known."""
    (failing.folder / "outputs" / "runs.jsonl").unlink()
    assert selected(failing) == [f"case-02/{HAIKU}"]


def test_a_torn_line_of_the_list_hides_no_other(failing: GateWorkspace) -> None:
    """A process that was killed while it wrote one had sent nothing yet; what comes later is whole again."""
    listed = failing.folder / "outputs" / "runs.jsonl"
    listed.write_bytes(listed.read_bytes() + b'"2026-11')
    assert selected(failing) == [f"case-02/{HAIKU}"]
    assert failing.play("other", "-k", "case-03").code == 0
    assert listed.read_bytes().endswith(b'"2026-11\n"../other"\n')
    failing.api.reply = breaking("case-04")
    assert failing.play("third", "-k", "case-04").code == 1
    assert selected(failing) == [f"case-02/{HAIKU}", f"case-04/{HAIKU}"]


def test_a_run_that_was_killed_before_it_began_hides_nothing(failing: GateWorkspace) -> None:
    """It has a plan and no journal; one whose journal was taken away is damaged, and stops everything."""
    assert failing.play("other").code == 0
    whole = failing.folder / "other"
    for path in [*whole.iterdir()]:
        if path.name != "run.json":
            path.rename(failing.folder / path.name)
    assert selected(failing) == [f"case-02/{HAIKU}"]
    (failing.folder / "summary.json").rename(whole / "summary.json")
    done = failing.run("refund.yaml", "--lf")
    assert (done.code, "other/journal.jsonl" in done.stderr) == (3, True)


def test_without_any_run_it_is_said(workspace: GateWorkspace) -> None:
    """There is nothing that could have failed."""
    workspace.write(cases=1)
    done = workspace.run("refund.yaml", "--lf")
    assert (done.code, done.stderr) == (2, "error: outputs/latest holds no run: no run was made yet\n")
