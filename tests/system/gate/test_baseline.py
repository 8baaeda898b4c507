"""`accept` and `run --baseline`: what is accepted, what is caught, and what stops before anything is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.system.gate.api import obeys, said
from tests.system.gate.workspace import BAD, ENOUGH

if TYPE_CHECKING:
    from typing import Any

    from tests.system.gate.workspace import Scene

ACROSS = 40
"""Cases that are enough to exclude a drop of ten points."""


def failing(*names: str) -> Any:
    """Return a rule that breaks the promise for the cases that are named."""

    def reply(body: dict[str, Any], nth: int) -> str | None:
        return "Never." if any(name in said(body) for name in names) else obeys(body, nth)

    return reply


def failing_first(times: int) -> Any:
    """Return a rule that breaks the promise so many times, and then keeps it."""
    return lambda body, nth: "Never." if nth <= times else obeys(body, nth)


def test_accept_writes_a_baseline_beside_the_scenario(scene: Scene) -> None:
    """One conversation per case, with its reply; the file is named on stderr."""
    scene.write()
    assert scene.play("first").code == 0
    done = scene.run("accept", "first")
    assert done.code == 0
    assert f"wrote refund.baseline.json: {ENOUGH} of {ENOUGH} attempts passed" in done.stderr
    found = scene.accepted()
    assert len(found) == ENOUGH
    assert found["case-03/claude-haiku-5-5"]["replies"] == [["You can return it within 30 days."]]


def test_accept_takes_the_latest_run_without_a_name(scene: Scene) -> None:
    """`outputs/latest` is what was just looked at."""
    scene.write(cases=2)
    assert scene.run("refund.yaml").code == 0
    assert scene.run("accept").code == 0
    assert len(scene.accepted()) == 2


def test_nothing_is_accepted_in_ci(scene: Scene) -> None:
    """There nobody looks at it."""
    scene.write(cases=2)
    assert scene.play("first").code == 0
    done = scene.tell("accept", "first", CI="true")
    assert (done.code, scene.baseline.exists()) == (2, False)
    assert "baselines are not written when CI is set" in done.stderr


def test_a_run_that_could_not_be_measured_is_no_baseline(scene: Scene) -> None:
    """Neither errors nor what was never played may become what later runs are held against."""
    scene.write(cases=3)
    scene.api.reply = lambda body, nth: None if "case-02" in said(body) else obeys(body, nth)
    assert scene.play("errors").code == 3
    done = scene.run("accept", "errors")
    assert (done.code, scene.baseline.exists()) == (2, False)
    assert "1 conversation could not be measured" in done.stderr
    assert scene.play("part", "--max-requests", "2", "-j", "1").code in {3, 4}
    assert "could not be measured" in scene.run("accept", "part").stderr
    assert not scene.baseline.exists()


def test_without_a_baseline_nothing_is_sent(scene: Scene) -> None:
    """`--baseline` where none was accepted is a mistake, found before anything happens."""
    scene.write()
    done = scene.play("first", "--baseline")
    assert done.code == 2
    assert "refund.baseline.json cannot be read" in done.stderr
    assert "`claude-run accept` writes baselines" in done.stderr
    assert scene.api.bodies == []
    assert not (scene.folder / "first").exists()


def test_a_planted_regression_of_the_prompt_is_caught(scene: Scene) -> None:
    """Exit 1, the cases named, the change of the reply shown, and all of it in the run's files."""
    scene.accept()
    scene.write(system=BAD)
    done = scene.play("second", "--baseline")
    assert done.code == 1
    assert "REGRESSED against baseline refund.baseline.json" in done.stderr
    assert "refund/case-05" in done.stderr
    assert "[-within 30 days.-]" in done.stderr
    assert "{+any day.+}" in done.stderr
    assert scene.summary("second")["gate"]["verdict"] == "regressed"
    assert "refund/case-05" in (scene.folder / "second" / "comparison.md").read_text(encoding="utf-8")
    assert len(scene.api.bodies) == ENOUGH


def test_the_verdict_stands_when_the_reports_are_rebuilt(scene: Scene) -> None:
    """`report` on a gated run gives the exit code that the run had."""
    scene.accept()
    scene.write(system=BAD)
    assert scene.play("second", "--baseline").code == 1
    scene.baseline.unlink()
    assert scene.run("report", "second").code == 1
    assert scene.summary("second")["gate"]["verdict"] == "regressed"


def test_an_unchanged_prompt_passes(scene: Scene) -> None:
    """With cases enough to exclude a drop it is `unchanged`, also where doubt would fail."""
    scene.accept(cases=ACROSS)
    done = scene.play("second", "--baseline", "--on-inconclusive", "fail")
    assert done.code == 0
    assert "UNCHANGED against baseline" in done.stderr


def test_a_failure_that_was_accepted_is_no_regression(scene: Scene) -> None:
    """The gate decides in place of the single checks."""
    scene.api.reply = failing("case-07", "case-31")
    scene.accept(cases=ACROSS)
    assert scene.play("second", "--baseline").code == 0
    assert scene.play("third").code == 1


def test_another_run_can_be_the_baseline(scene: Scene) -> None:
    """A run folder stands in for an accepted file, and names itself."""
    scene.write()
    assert scene.play("first").code == 0
    scene.write(system=BAD)
    done = scene.play("second", "--baseline", "first")
    assert done.code == 1
    assert "REGRESSED against baseline first" in done.stderr


@pytest.mark.parametrize(("doubt", "code"), [("warn", 0), ("fail", 1)])
def test_what_nobody_can_tell_warns_or_fails(scene: Scene, doubt: str, code: int) -> None:
    """Two cases prove nothing; whether that is good enough is the user's choice."""
    scene.accept(cases=2)
    done = scene.play("second", "--baseline", "--on-inconclusive", doubt)
    assert done.code == code
    assert "INCONCLUSIVE" in done.stderr
    assert "only 2 cases were compared" in done.stderr


def test_a_new_case_must_pass(scene: Scene) -> None:
    """The baseline cannot excuse what it does not know."""
    scene.accept(cases=ACROSS)
    names = [*(f"case-{number:02}" for number in range(1, ACROSS + 1)), "fresh"]
    scene.write(cases=names)
    assert scene.play("good", "--baseline").code == 0
    scene.api.reply = failing("fresh")
    done = scene.play("bad", "--baseline")
    assert done.code == 1
    assert "unchanged against refund.baseline.json, but 1 new case failed: refund/fresh" in done.stderr


def test_a_new_case_must_reach_its_pass_rate_and_no_more(scene: Scene) -> None:
    """One of two is enough where the scenario says so, as it would be without a baseline."""
    scene.accept(cases=2, more="pass_rate: 0.5")
    scene.write(cases=["case-01", "case-02", "fresh"], more="pass_rate: 0.5")
    scene.api.reply = lambda body, nth: "Never." if "fresh" in said(body) and nth % 2 else obeys(body, nth)
    assert scene.play("half", "--baseline", "-n", "2").code == 0
    scene.api.reply = failing("fresh")
    assert scene.play("none", "--baseline", "-n", "2").code == 1


def test_a_case_that_is_gone_is_named(scene: Scene) -> None:
    """It is left out loudly, and `review` calls its entry stale."""
    scene.accept(cases=["kept", "gone"])
    scene.write(cases=["kept"])
    done = scene.play("second", "--baseline")
    assert "refund/gone" in done.stderr
    stale = scene.run("review", "second", "--pending")
    assert (stale.code, stale.stdout) == (0, "")
    assert "stale: refund/gone/claude-haiku-5-5" in stale.stderr


def test_the_baseline_of_another_scenario_is_refused(scene: Scene) -> None:
    """A scenario that was renamed would else pass for ever, with nothing compared."""
    scene.accept(cases=2)
    scene.write(cases=2, more="name: returns")
    done = scene.play("second", "--baseline")
    assert done.code == 2
    assert "refund.baseline.json is not the baseline of scenario 'returns'" in done.stderr
    assert scene.api.bodies == []


@pytest.mark.parametrize("text", ["<<<<<<< HEAD", '{"schema_version": 9}', '{"schema_version": 1}'])
def test_a_damaged_baseline_stops_before_anything_is_sent(scene: Scene, text: str) -> None:
    """It is the user's file, to be restored from version control."""
    scene.write(cases=2)
    scene.baseline.write_text(text, encoding="utf-8")
    done = scene.play("first", "--baseline")
    assert done.code == 2
    assert "refund.baseline.json" in done.stderr
    assert scene.api.bodies == []


def test_a_damaged_baseline_does_not_disturb_a_run_that_asks_for_none(scene: Scene) -> None:
    """It is read only where something is held against it."""
    scene.write(cases=2)
    scene.baseline.write_text("<<<<<<< HEAD", encoding="utf-8")
    assert scene.play("first").code == 0


def test_options_of_the_gate_are_checked_before_anything_is_sent(scene: Scene) -> None:
    """A rate outside its range and an unknown word are mistakes of the command line."""
    scene.accept(cases=2)
    for option, value in (("--alpha", "0.7"), ("--margin", "0"), ("--on-inconclusive", "maybe")):
        done = scene.play("second", "--baseline", option, value)
        assert (done.code, option in done.stderr) == (2, True)
    assert scene.api.bodies == []
    assert not (scene.folder / "second").exists()


def test_another_model_is_held_against_the_accepted_one(scene: Scene) -> None:
    """Is the cheaper model good enough? Cases pair across the models."""
    scene.accept()
    scene.api.reply = lambda body, nth: "Never." if body["model"] == "claude-opus-5-5" else obeys(body, nth)
    assert scene.play("second", "--baseline", "-m", "claude-opus-5-5").code == 1


def test_repeats_and_a_pass_rate_without_a_baseline(scene: Scene) -> None:
    """Four of five reach 0.8, three of five do not; all five are in the summary."""
    scene.write(cases=["only"], more="pass_rate: 0.8")
    for failures, code in ((1, 0), (2, 1)):
        scene.api.reset()
        scene.api.reply = failing_first(failures)
        name = f"run-{failures}"
        assert scene.play(name, "-n", "5").code == code
        (case,) = scene.summary(name)["cases"]
        assert (case["passed"], case["measured"], case["met"]) == (5 - failures, 5, code == 0)


def test_the_summary_on_stdout_tells_of_the_gate(scene: Scene) -> None:
    """`--json` holds the verdict and its reason."""
    scene.accept()
    scene.write(system=BAD)
    done = scene.play("second", "--baseline", "--json")
    gate = json.loads(done.stdout)["gate"]
    assert (gate["verdict"], gate["code"]) == ("regressed", 1)
