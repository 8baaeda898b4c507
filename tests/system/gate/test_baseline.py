"""`accept` and `run --baseline`: what is accepted, what is caught, and what stops before anything is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.system.gate.api import obeys, said
from tests.system.gate.workspace import BAD, ENOUGH

if TYPE_CHECKING:
    from typing import Any

    from tests.system.gate.workspace import GateWorkspace

ACROSS = 12
"""Cases of a suite that has more than a few."""


def failing(*names: str) -> Any:
    """Return a rule that breaks the promise for the cases that are named."""

    def reply(body: dict[str, Any], nth: int) -> str | None:
        return "Never." if any(name in said(body) for name in names) else obeys(body, nth)

    return reply


def failing_first(times: int) -> Any:
    """Return a rule that breaks the promise so many times, and then keeps it."""
    return lambda body, nth: "Never." if nth <= times else obeys(body, nth)


def test_accept_writes_a_baseline_beside_the_scenario(workspace: GateWorkspace) -> None:
    """One conversation per case, with its reply; the file is named on stderr."""
    workspace.write()
    assert workspace.play("first").code == 0
    done = workspace.run("accept", "first")
    assert done.code == 0
    assert f"wrote refund.baseline.json: {ENOUGH} of {ENOUGH} samples passed" in done.stdout
    found = workspace.accepted()
    assert len(found) == ENOUGH
    assert found["case-03/claude-haiku-5-5"]["replies"] == [["You can return it within 30 days."]]


def test_accept_takes_the_latest_run_without_a_name(workspace: GateWorkspace) -> None:
    """`outputs/latest` is what was just looked at."""
    workspace.write(cases=2)
    assert workspace.run("refund.yaml").code == 0
    assert workspace.run("accept").code == 0
    assert len(workspace.accepted()) == 2


def test_nothing_is_accepted_in_ci(workspace: GateWorkspace) -> None:
    """There nobody looks at it."""
    workspace.write(cases=2)
    assert workspace.play("first").code == 0
    done = workspace.run_offline("accept", "first", CI="true")
    assert (done.code, workspace.baseline.exists()) == (2, False)
    assert "baselines are not written when CI is set" in done.stderr


def test_a_run_that_could_not_be_measured_is_no_baseline(workspace: GateWorkspace) -> None:
    """Neither errors nor what was never played may become what later runs are held against."""
    workspace.write(cases=3)
    workspace.api.reply = lambda body, nth: None if "case-02" in said(body) else obeys(body, nth)
    assert workspace.play("errors").code == 3
    done = workspace.run("accept", "errors")
    assert (done.code, workspace.baseline.exists()) == (2, False)
    assert "1 conversation could not be measured" in done.stderr
    assert workspace.play("part", "--max-requests", "2", "-j", "1").code in {3, 4}
    assert "could not be measured" in workspace.run("accept", "part").stderr
    assert not workspace.baseline.exists()


def test_without_a_baseline_nothing_is_sent(workspace: GateWorkspace) -> None:
    """`--baseline` where none was accepted is a mistake, found before anything happens."""
    workspace.write()
    done = workspace.play("first", "--baseline")
    assert done.code == 2
    assert "refund.baseline.json cannot be read" in done.stderr
    assert "`claude-run accept` writes baselines" in done.stderr
    assert workspace.api.bodies == []
    assert not (workspace.folder / "first").exists()


def test_a_planted_regression_of_the_prompt_is_caught(workspace: GateWorkspace) -> None:
    """Exit 1, the cases named, the change of the reply shown, and all of it in the run's files."""
    workspace.accept()
    workspace.write(system=BAD)
    done = workspace.play("second", "--baseline")
    assert done.code == 1
    assert f"REGRESSED: {ENOUGH} of {ENOUGH} cases broke: refund/case-01" in done.stdout
    assert "got      | You can return it any day." in done.stdout
    assert "before   | You can return it within 30 days." in done.stdout
    assert workspace.summary("second")["gate"]["verdict"] == "regressed"
    assert "refund/case-05" in (workspace.folder / "second" / "summary.md").read_text(encoding="utf-8")
    assert len(workspace.api.bodies) == ENOUGH


def test_the_verdict_stands_when_the_reports_are_rebuilt(workspace: GateWorkspace) -> None:
    """`report` on a gated run gives the exit code that the run had."""
    workspace.accept()
    workspace.write(system=BAD)
    assert workspace.play("second", "--baseline").code == 1
    workspace.baseline.unlink()
    assert workspace.run("report", "second").code == 1
    assert workspace.summary("second")["gate"]["verdict"] == "regressed"


def test_another_run_can_be_the_baseline(workspace: GateWorkspace) -> None:
    """A run folder stands in for an accepted file, and names itself."""
    workspace.write()
    assert workspace.play("first").code == 0
    workspace.write(system=BAD)
    done = workspace.play("second", "--baseline", "first")
    assert done.code == 1
    assert "REGRESSED: " in done.stdout
    assert workspace.summary("second")["gate"]["against"] == "first"


def test_a_new_case_must_pass(workspace: GateWorkspace) -> None:
    """The baseline cannot excuse what it does not know."""
    workspace.accept(cases=ACROSS)
    names = [*(f"case-{number:02}" for number in range(1, ACROSS + 1)), "fresh"]
    workspace.write(cases=names)
    assert workspace.play("good", "--baseline").code == 0
    workspace.api.reply = failing("fresh")
    done = workspace.play("bad", "--baseline")
    assert done.code == 1
    assert f"1 of {ACROSS + 1} cases failed, which the baseline does not have: refund/fresh" in done.stdout


def test_a_new_case_must_reach_its_pass_rate_and_no_more(workspace: GateWorkspace) -> None:
    """One of two is enough where the scenario says so, as it would be without a baseline."""
    workspace.accept(cases=2, more="pass_rate: 0.5")
    workspace.write(cases=["case-01", "case-02", "fresh"], more="pass_rate: 0.5")
    workspace.api.reply = lambda body, nth: (
        "Never." if "fresh" in said(body) and nth % 2 else obeys(body, nth)
    )
    assert workspace.play("half", "--baseline", "-n", "2").code == 0
    workspace.api.reply = failing("fresh")
    assert workspace.play("none", "--baseline", "-n", "2").code == 1


def test_a_case_that_is_gone_is_named(workspace: GateWorkspace) -> None:
    """It is left out loudly, and `review` calls its entry stale."""
    workspace.accept(cases=["kept", "gone"])
    workspace.write(cases=["kept"])
    done = workspace.play("second", "--baseline")
    assert "refund/gone" in done.stdout
    stale = workspace.run("review", "second", "--pending")
    assert (stale.code, stale.stdout) == (0, "")
    assert "stale: refund/gone/claude-haiku-5-5" in stale.stderr


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["-m", "claude-haiku-5-5"], 2),
        (["--lf"], 2),
        (["-k", "case-01 and haiku"], 3),
        (["--shard", "1/2"], 2),
    ],
)
def test_what_a_selection_leaves_out_stays_accepted(
    workspace: GateWorkspace, arguments: list[str], kept: int
) -> None:
    """Of models, names, parts and what had not failed alike; how much was kept is said."""
    workspace.write(cases=2)
    scenario = workspace.folder / "refund.yaml"
    text = scenario.read_text(encoding="utf-8")
    both = text.replace("model: claude-haiku-5-5", "models: [claude-haiku-5-5, claude-opus-5-5]")
    scenario.write_text(both, encoding="utf-8")
    workspace.api.reply = failing("case-02") if arguments == ["--lf"] else obeys
    assert workspace.play("all").code in {0, 1}
    assert workspace.run("accept", "all", "--with-failures").code == 0
    before = workspace.accepted()
    assert len(before) == 4
    assert workspace.play("some", *arguments).code in {0, 1}
    done = workspace.run("accept", "some", "--with-failures")
    assert f"kept {kept} cases of refund.baseline.json that were not played" in done.stdout
    assert list(workspace.accepted()) == list(before)


def test_what_a_line_leaves_out_stays_accepted(workspace: GateWorkspace) -> None:
    """A case by its line is a selection too: for the gate, for `accept`, and when the run goes on."""
    workspace.accept(cases=2)
    lines = (workspace.folder / "refund.yaml").read_text(encoding="utf-8").split("\n")
    line = next(number for number, text in enumerate(lines, 1) if "case-02" in text)
    played = workspace.run(f"refund.yaml:{line}", "-o", "some", "--baseline")
    assert played.code == 0
    assert "no longer there" not in played.stdout
    assert workspace.run("resume", "some").code == 0
    run = json.loads((workspace.folder / "some" / "run.json").read_text(encoding="utf-8"))
    assert [each["id"] for each in run["conversations"]] == ["refund/case-02/claude-haiku-5-5"]
    done = workspace.run("accept", "some")
    assert "kept 1 case of refund.baseline.json that were not played" in done.stdout
    assert len(workspace.accepted()) == 2
    (workspace.folder / "refund.yaml").unlink()
    gone = workspace.run("resume", "some")
    assert (gone.code, "is here, such as refund.yaml" in gone.stderr) == (2, True)


def test_what_a_whole_run_no_longer_has_is_dropped_by_name(workspace: GateWorkspace) -> None:
    """Nothing that was accepted goes without a word; a baseline that cannot be read is written anew."""
    workspace.accept(cases=["kept", "gone"])
    workspace.write(cases=["kept"])
    assert workspace.play("second").code == 0
    done = workspace.run("accept", "second")
    assert (
        "dropped 1 case of refund.baseline.json that the scenario no longer has: gone/claude-haiku-5-5"
        in done.stdout
    )
    assert list(workspace.accepted()) == ["kept/claude-haiku-5-5"]
    workspace.baseline.write_text("<<<<<<< HEAD", encoding="utf-8")
    assert workspace.run("accept", "second").code == 0
    assert list(workspace.accepted()) == ["kept/claude-haiku-5-5"]


def test_the_baseline_of_another_scenario_is_refused(workspace: GateWorkspace) -> None:
    """A scenario that was renamed would else pass for ever, with nothing compared."""
    workspace.accept(cases=2)
    workspace.write(cases=2, more="name: returns")
    done = workspace.play("second", "--baseline")
    assert done.code == 2
    assert "refund.baseline.json is not the baseline of scenario 'returns'" in done.stderr
    assert workspace.api.bodies == []


@pytest.mark.parametrize("text", ["<<<<<<< HEAD", '{"schema_version": 9}', '{"schema_version": 1}'])
def test_a_damaged_baseline_stops_before_anything_is_sent(workspace: GateWorkspace, text: str) -> None:
    """It is the user's file, to be restored from version control."""
    workspace.write(cases=2)
    workspace.baseline.write_text(text, encoding="utf-8")
    done = workspace.play("first", "--baseline")
    assert done.code == 2
    assert "refund.baseline.json" in done.stderr
    assert workspace.api.bodies == []


def test_a_damaged_baseline_does_not_disturb_a_run_that_asks_for_none(workspace: GateWorkspace) -> None:
    """It is read only where something is held against it."""
    workspace.write(cases=2)
    workspace.baseline.write_text("<<<<<<< HEAD", encoding="utf-8")
    assert workspace.play("first").code == 0


def test_options_of_the_gate_are_checked_before_anything_is_sent(workspace: GateWorkspace) -> None:
    """A rate outside its range and an unknown word are mistakes of the command line."""
    workspace.accept(cases=2)
    for option, value in (("--confirm", "11"), ("--alpha", "0.1"), ("--on-unclear", "maybe")):
        done = workspace.play("second", "--baseline", option, value)
        assert (done.code, option in done.stderr) == (2, True)
    assert workspace.api.bodies == []
    assert not (workspace.folder / "second").exists()


def test_another_model_is_held_against_the_accepted_one(workspace: GateWorkspace) -> None:
    """Is the cheaper model good enough? Cases pair across the models."""
    workspace.accept()
    workspace.api.reply = lambda body, nth: (
        "Never." if body["model"] == "claude-opus-5-5" else obeys(body, nth)
    )
    assert workspace.play("second", "--baseline", "-m", "claude-opus-5-5").code == 1


def test_repeats_and_a_pass_rate_without_a_baseline(workspace: GateWorkspace) -> None:
    """Four of five reach 0.8, three of five do not; all five are in the summary."""
    workspace.write(cases=["only"], more="pass_rate: 0.8")
    for failures, code in ((1, 0), (2, 1)):
        workspace.api.reset()
        workspace.api.reply = failing_first(failures)
        name = f"run-{failures}"
        assert workspace.play(name, "-n", "5").code == code
        (case,) = workspace.summary(name)["cases"]
        assert (case["passed"], case["measured"], case["met"]) == (5 - failures, 5, code == 0)


def test_the_summary_on_stdout_tells_of_the_gate(workspace: GateWorkspace) -> None:
    """`--json` holds the verdict and its reason."""
    workspace.accept()
    workspace.write(system=BAD)
    done = workspace.play("second", "--baseline", "--json")
    gate = json.loads(done.stdout)["gate"]
    assert (gate["verdict"], gate["code"]) == ("regressed", 1)


def test_failures_are_accepted_only_by_who_says_so(workspace: GateWorkspace) -> None:
    """Where nobody can be asked they are named, and nothing is written."""
    workspace.write(cases=2, expect="contains: zebra")
    assert workspace.play("failing").code == 1
    refused = workspace.run("accept", "failing")
    assert refused.code == 2
    assert "2 conversations failed: refund/case-01/claude-haiku-5-5, refund/case-02" in refused.stderr
    assert "pass --with-failures" in refused.stderr
    assert not workspace.baseline.exists()
    assert workspace.run("accept", "failing", "--with-failures").code == 0
    assert workspace.baseline.exists()


def _lines(workspace: GateWorkspace) -> list[str]:
    return workspace.baseline.read_text(encoding="utf-8").splitlines()


def _by_turns(*texts: str) -> Any:
    """Return a rule that says these texts in turn, and the last of them from then on."""
    return lambda _body, nth: texts[min(nth, len(texts)) - 1]


def test_accepting_an_unchanged_run_changes_no_byte(workspace: GateWorkspace) -> None:
    """Whatever it cost, however long it took, and whichever of the attempts brought which reply."""
    workspace.write(cases=3)
    replies = [f"Within 30 days, {word}." for word in ("sure", "certainly", "yes")]
    workspace.api.reply = _by_turns(*replies)
    assert workspace.play("first", "-n", "3", "-j", "1").code == 0
    assert workspace.run("accept", "first").code == 0
    before = workspace.baseline.read_bytes()
    workspace.api.reset()
    workspace.api.reply = _by_turns(*reversed(replies))
    assert workspace.play("second", "-n", "3", "-j", "1").code == 0
    done = workspace.run("accept", "second")
    assert (done.code, done.stdout) == (0, "wrote refund.baseline.json: 9 of 9 samples passed\n")
    assert workspace.baseline.read_bytes() == before


def test_one_changed_case_changes_its_own_lines(workspace: GateWorkspace) -> None:
    """Its reply, its score and its tokens, and nothing of the others."""
    workspace.accept(cases=9)
    before, cases = _lines(workspace), workspace.accepted()
    workspace.api.reply = failing("case-04")
    assert workspace.play("second").code == 1
    assert workspace.run("accept", "second", "--with-failures").code == 0
    changed = [line.strip() for line in _lines(workspace) if line not in before]
    assert '"Never."' in changed
    assert sum(a != b for a, b in zip(before, _lines(workspace), strict=True)) <= 3
    now = workspace.accepted()
    assert [name for name in cases if cases[name] != now[name]] == ["case-04/claude-haiku-5-5"]
    assert (now["case-04/claude-haiku-5-5"]["passed"], now["case-04/claude-haiku-5-5"]["measured"]) == (0, 1)


def test_a_case_holds_what_it_was_measured_by(workspace: GateWorkspace) -> None:
    """Variables, attempts, who answered, and a digest that only another expectation changes."""
    workspace.write(cases=1)
    assert workspace.play("first", "-n", "3").code == 0
    assert workspace.run("accept", "first").code == 0
    (case,) = workspace.accepted().values()
    assert case["vars"] == {"item": "case-01"}
    assert (case["passed"], case["measured"]) == (3, 3)
    assert case["answered_by"] == ["claude-haiku-5-5"]
    for expect, is_same in (("contains: 30 days\n        label: short", True), ("contains: days", False)):
        workspace.write(cases=1, expect=expect, system=f"Again, 30 days. {expect}")
        assert workspace.play(f"again-{is_same}", "-n", "3").code == 0
        assert workspace.run("accept", f"again-{is_same}").code == 0
        (found,) = workspace.accepted().values()
        assert (found["expectations"] == case["expectations"]) is is_same


def test_the_reason_stands_in_the_file_until_another_run_is_accepted(workspace: GateWorkspace) -> None:
    """A part keeps it, and so does the same once more; a whole run with other results drops it."""
    workspace.write(cases=2)
    assert workspace.play("whole").code == 0
    assert workspace.play("longer", "-n", "3").code == 0
    assert workspace.play("part", "-k", "case-01").code == 0

    def reason() -> Any:
        return json.loads(workspace.baseline.read_text(encoding="utf-8"))["reason"]

    steps: list[tuple[tuple[str, ...], str | None]] = [
        (("whole", "--reason", "Shorter \u202e prompt"), "Shorter \u202e prompt"),
        (("part",), "Shorter \u202e prompt"),
        (("part", "--reason", "Another"), "Another"),
        (("whole",), "Another"),
        (("longer",), None),
    ]
    for arguments, expected in steps:
        assert workspace.run("accept", *arguments).code == 0
        assert reason() == expected
        assert "\u202e" not in workspace.baseline.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("", "write one line that says why"),
        ("two\nlines", "write one line that says why"),
        ("x" * 501, "501 characters are too many: write at most 500"),
    ],
)
def test_a_reason_is_one_short_line(workspace: GateWorkspace, reason: str, words: str) -> None:
    """Anything else is refused before anything is written."""
    workspace.write(cases=2)
    assert workspace.play("first").code == 0
    done = workspace.run("accept", "first", "--reason", reason)
    assert (done.code, workspace.baseline.exists()) == (2, False)
    assert words in done.stderr


def test_too_few_attempts_are_said_of_all_that_is_in_the_file(workspace: GateWorkspace) -> None:
    """Those of cases that were not played this time, too; three of each are enough."""
    workspace.write(cases=3)
    assert workspace.play("once").code == 0
    done = workspace.run("accept", "once")
    assert done.stdout.splitlines()[-1].startswith("note: 3 cases have fewer than 3 attempts, too few")
    assert workspace.play("part", "-n", "3", "-k", "case-01 or case-02").code == 0
    done = workspace.run("accept", "part")
    assert done.stdout.splitlines()[-1] == (
        "note: 1 case has fewer than 3 attempts, too few to promise anything: accept a run of -n 10 once,"
        " then -n 2 in pull requests is enough"
    )
    assert workspace.play("enough", "-n", "3").code == 0
    assert "note:" not in workspace.run("accept", "enough").stdout


def test_a_baseline_of_an_older_version_is_written_anew_by_a_whole_run(workspace: GateWorkspace) -> None:
    """A part of a run cannot: what else is in the file would be lost."""
    workspace.write(cases=2)
    workspace.baseline.write_text(
        '{"schema_version": 1, "accepted_at": "2026-11-23T07:00:00.000Z"}', encoding="utf-8"
    )
    assert workspace.play("part", "-k", "case-01").code == 0
    assert workspace.play("whole").code == 0
    for command in (
        ("accept", "part"),
        ("review", "whole", "--pending"),
        ("compare", workspace.baseline, "whole"),
    ):
        done = workspace.run(*command)
        assert done.code == 2
        assert "was written by an older claude-run" in done.stderr
    assert workspace.run("accept", "whole").code == 0
    assert len(workspace.accepted()) == 2
