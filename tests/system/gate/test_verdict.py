"""`run --baseline`: changes that are planted, and what the gate says of each."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.gate.api import obeys, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.command import CommandResult
    from tests.system.gate.workspace import GateWorkspace

MODEL = "claude-haiku-5-5"


def broken(*names: str) -> Callable[[dict[str, Any], int], str | None]:
    """Return a rule that breaks the promise, always, for the cases that are named."""
    asked = {f"May I return {name}?" for name in names}
    return lambda body, nth: "Sorry, no." if said(body) in asked else obeys(body, nth)


def numbered(number: int) -> list[str]:
    """Return the names of the first cases."""
    return [f"case-{index:02}" for index in range(1, number + 1)]


def head(done: CommandResult) -> list[str]:
    """Return the first six lines that a reader sees."""
    return [line.rstrip() for line in done.stdout.splitlines()[:6]]


@pytest.mark.parametrize(
    ("cases", "attempts", "names"),
    [
        (20, (3, 3), ["case-07"]),
        (20, (10, 10), numbered(4)),
        (20, (10, 1), numbered(4)),
        (5, (5, 5), numbered(4)),
        (4, (5, 5), numbered(3)),
        (4, (5, 5), numbered(4)),
        (35, (3, 3), ["case-07"]),
        (100, (5, 1), ["case-07"]),
        (20, (3, 3), numbered(5)),
        (20, (1, 1), ["case-07"]),
        (20, (3, 1), ["case-07"]),
        (1, (3, 3), ["case-01"]),
    ],
)
def test_cases_that_break_are_never_green(
    workspace: GateWorkspace, cases: int, attempts: tuple[int, int], names: list[str]
) -> None:
    """Whatever the others do, however many there are, however often each was played."""
    accepted, now = attempts
    workspace.accept(cases=cases, more=f"repeat: {accepted}")
    workspace.api.reply = broken(*names)
    done = workspace.play("second", "--baseline", "-n", str(now))
    assert done.code == 1
    headline, _, first, asked, expected, got = head(done)
    assert headline.startswith(f"REGRESSED: {len(names)} of {cases} case")
    assert all(f"refund/{name}" in headline for name in names[:3])
    assert first.startswith(f"  refund/{names[0]}/{MODEL}: passed {accepted} of {accepted}, now 0 of {now}")
    assert asked == f"    asked    | May I return {names[0]}?"
    assert expected.startswith("    expected | refund.yaml:")
    assert expected.endswith(': the reply to contain "30 days"; it begins "Sorry, no."')
    assert got == "    got      | Sorry, no."
    found = {case["name"]: case["standing"] for case in workspace.summary("second")["gate"]["cases"]}
    assert {name for name, each in found.items() if each == "broke"} == {
        f"refund/{name}/{MODEL}" for name in names
    }


@pytest.mark.parametrize("cases", [1, 20, 34, 35])
def test_nothing_changed_is_no_regression(workspace: GateWorkspace, cases: int) -> None:
    """Few perfect cases or many: the words are the same, and the run is green."""
    workspace.accept(cases=cases, more="repeat: 3")
    done = workspace.play("second", "--baseline")
    assert done.code == 0
    assert head(done)[0].startswith(f"NO REGRESSION FOUND: {cases} of {cases} case")
    assert "PASSED (exit code 0): no regression found" in done.stdout
    assert workspace.api.asked(MODEL) == 3 * cases


def test_one_failure_of_sixty_is_chance(workspace: GateWorkspace) -> None:
    """It is named as worse, and no more than that."""
    workspace.accept(cases=20, more="repeat: 3")
    workspace.api.reply = lambda body, nth: (
        "Sorry, no." if said(body) == "May I return case-07?" and nth == 5 else obeys(body, nth)
    )
    done = workspace.play("second", "--baseline")
    assert done.code == 0
    assert "19 of 20 cases as before, 1 worse, which may be chance (59 of 60 attempts passed)" in done.stdout
    assert f"worse, which may be chance: refund/case-07/{MODEL} (passed 3 of 3, now 2 of 3)" in done.stdout


def test_a_scenario_that_breaks_is_not_drowned_by_the_others(workspace: GateWorkspace) -> None:
    """Four cases of one file among five files: named, and told in the line of their scenario."""
    workspace.write(cases=4, more="repeat: 5")
    text = (workspace.folder / "refund.yaml").read_text(encoding="utf-8")
    for name in ("a", "b", "c", "d"):
        other = text.replace("case-", f"{name}-")
        (workspace.folder / f"{name}.yaml").write_text(other, encoding="utf-8")
    assert workspace.run(".", "-o", "first").code == 0
    assert workspace.run("accept", "first").code == 0
    workspace.api.reply = broken(*numbered(4))
    done = workspace.run(".", "-o", "second", "--baseline")
    assert done.code == 1
    assert "  refund: 4 broke" in done.stdout
    assert "  4 scenarios with all cases as before" in done.stdout


def test_a_case_that_is_gone_is_named_and_a_renamed_one_is_new(workspace: GateWorkspace) -> None:
    """What was taken out fails nothing; under another name it must pass by itself."""
    workspace.accept(cases=["kept", "other"], more="repeat: 3")
    workspace.write(cases=["kept"], more="repeat: 3")
    done = workspace.play("gone", "--baseline")
    assert done.code == 0
    assert f"no longer there, and not compared: refund/other/{MODEL}" in done.stdout
    workspace.write(cases=["kept", "renamed"], more="repeat: 3")
    workspace.api.reply = broken("renamed")
    failed = workspace.play("renamed", "--baseline")
    assert failed.code == 1
    assert head(failed)[0].startswith(
        "FAILED: 1 of 2 cases failed, which the baseline does not have: refund/renamed"
    )
    assert "not in the baseline, passed 0 of 3" in head(failed)[2]


def test_what_could_not_be_measured_is_neither_red_nor_green(workspace: GateWorkspace) -> None:
    """Code 3 and its word stand above what broke besides."""
    workspace.accept(cases=20, more="repeat: 3")

    def reply(body: dict[str, Any], nth: int) -> str | None:
        return None if said(body) == "May I return case-20?" else broken(*numbered(8))(body, nth)

    workspace.api.reply = reply
    done = workspace.play("second", "--baseline")
    assert done.code == 3
    assert head(done)[0].startswith("NOT MEASURED: 3 conversations could not be measured")
    assert f"refund/case-01/{MODEL}: passed 3 of 3, now 0 of 3" in done.stdout


def test_replies_in_other_words_and_what_they_cost_are_told(workspace: GateWorkspace) -> None:
    """Nothing failed; how many replies changed is one line, and what it costs more another."""
    workspace.accept(cases=4, more="repeat: 3")
    workspace.api.reply = lambda body, nth: f"{obeys(body, nth)} Any time."
    done = workspace.play("second", "--baseline")
    assert done.code == 0
    assert "  4 replies worded differently: `claude-run review`" in done.stdout
    assert "claude-run review second" in done.stderr


@pytest.mark.parametrize(("allowed", "code"), [(None, 0), (2, 0), (0.5, 1)])
def test_what_it_costs_more_is_told_and_may_fail(
    workspace: GateWorkspace, allowed: float | None, code: int
) -> None:
    """Twice the output: a line, and where the project file allows less, the reason why the run failed."""
    workspace.accept(cases=4, more="repeat: 3")
    if allowed is not None:
        (workspace.folder / "claude-run.toml").write_text(f"[gate]\nmax_cost_increase = {allowed}\n")
    workspace.api.output_tokens = 10
    done = workspace.play("second", "--baseline")
    assert done.code == code
    assert re.search(r"^  costs 7\d\.\d % more: \S+ a conversation, was \S+$", done.stdout, re.MULTILINE)
    if code:
        assert re.match(r"FAILED: it costs 7\d\.\d % more, and 50 % are allowed\n", done.stdout)


@pytest.mark.parametrize(("expect", "code"), [("contains: days", 0), ("contains: '31 days'", 1)])
def test_edited_expectations_are_decided_by_themselves(
    workspace: GateWorkspace, expect: str, code: int
) -> None:
    """Weaker or stricter, nothing is compared with what another check had found; each case is named."""
    workspace.accept(cases=4, more="repeat: 3")
    workspace.write(cases=4, more="repeat: 3", expect=expect)
    done = workspace.play("second", "--baseline")
    assert done.code == code
    assert workspace.summary("second")["gate"]["models"] == []
    told = f"refund/case-01/{MODEL}"
    if code:
        assert head(done)[0].startswith(
            f"FAILED: 4 of 4 cases failed, edited since they were accepted: {told}"
        )
        assert "its expectations were edited since it was accepted, passed 0 of 3" in head(done)[2]
    else:
        assert f"  edited, so not compared: {told} (its expectations were edited" in done.stdout


def test_edited_variables_are_no_regression(workspace: GateWorkspace) -> None:
    """Another question under the same name is another case."""
    workspace.accept(cases=["a", "b"], more="repeat: 3")
    text = (workspace.folder / "refund.yaml").read_text(encoding="utf-8")
    other = text.replace("{id: b, vars: {item: b}}", "{id: b, vars: {item: c}}")
    (workspace.folder / "refund.yaml").write_text(other, encoding="utf-8")
    workspace.api.reply = broken("c")
    done = workspace.play("second", "--baseline")
    assert done.code == 1
    assert "its variables were edited since it was accepted, passed 0 of 3" in head(done)[2]


def test_what_a_selection_leaves_out_is_not_gone(workspace: GateWorkspace) -> None:
    """Only a whole run can tell that a case is no longer there."""
    workspace.accept(cases=4)
    done = workspace.play("second", "--baseline", "-k", "case-01")
    assert (done.code, workspace.summary("second")["gate"]["gone"]) == (0, [])


def test_a_dry_run_tells_what_the_gate_will_see(workspace: GateWorkspace) -> None:
    """From the rates of the baseline, with the most that fresh attempts may cost; no message is sent."""
    workspace.accept(cases=20, more="repeat: 3")
    done = workspace.run("refund.yaml", "--baseline", "--dry-run")
    # What is only counted says nothing of how long a reply may be, which every message has to.
    messages = [body for body in workspace.api.bodies if "max_tokens" in body]
    assert (done.code, messages) == (0, [])
    for line in (
        "on top, where cases look broken: at most 200 fresh attempts, 200 requests, at most $",
        "against the baseline: 20 cases compared\n",
        "  a case that breaks is seen in 100 % of runs\n",
        "  a drop of 15 points over all cases is seen in four of five runs\n",
        "  where nothing has changed 0.0 % of runs are red, 0.0 % unclear, with 0.0 fresh",
        "  a drop of 10 points over all cases would be seen with -n 5, 100 conversations\n",
    ):
        assert line in done.stdout
    more = workspace.run("refund.yaml", "--baseline", "--dry-run", "--no-confirm")
    assert "on top" not in more.stdout


def test_an_improvement_is_called_one(workspace: GateWorkspace) -> None:
    """Cases that failed always and now pass, beyond chance, and nothing that broke."""
    workspace.api.reply = broken("case-01", "case-02")
    workspace.accept(cases=8, more="repeat: 5")
    workspace.api.reply = obeys
    done = workspace.play("second", "--baseline")
    assert done.code == 0
    assert head(done)[0] == "IMPROVED: 6 of 8 cases as before, 2 better (40 of 40 attempts passed)"


def test_a_failure_that_was_there_before_is_no_regression(workspace: GateWorkspace) -> None:
    """The gate decides in place of the single checks, and JUnit says why it lets each pass."""
    workspace.api.reply = broken("case-02")
    workspace.accept(cases=8, more="repeat: 3")
    done = workspace.play("second", "--baseline", "--junit", "junit.xml")
    assert done.code == 0
    assert workspace.api.asked(MODEL) == 24
    text = (workspace.folder / "junit.xml").read_text(encoding="utf-8")
    assert text.count("failed, and is tolerated: passed 0 of 3, now 0 of 3, as it was") == 3
    assert workspace.play("third").code == 1


def test_the_same_words_stand_in_every_report(workspace: GateWorkspace) -> None:
    """The terminal, summary.md and the summary of a step have one headline; rebuilt they are the same."""
    workspace.accept(cases=20, more="repeat: 3")
    workspace.api.reply = broken("case-07")
    done = workspace.play("second", "--baseline")
    step = workspace.folder / "step.md"
    workspace.run_offline("report", "second", GITHUB_STEP_SUMMARY=str(step))
    headline = head(done)[0]
    summary = (workspace.folder / "second" / "summary.md").read_text(encoding="utf-8")
    assert f"## {headline}" in summary.replace("\\", "")
    assert f"## {headline}" in step.read_text(encoding="utf-8").replace("\\", "")
    assert "<details><summary>Numbers and tests</summary>" in summary
    assert "exact test" not in done.stdout
    workspace.baseline.unlink()
    assert workspace.run("report", "second").stdout == done.stdout
    assert (workspace.folder / "second" / "summary.md").read_text(encoding="utf-8") == summary
    assert workspace.run("verify", "second").code == 0
    assert "exact test" in workspace.run("report", "second", "-v").stdout


def test_the_summary_holds_every_number(workspace: GateWorkspace) -> None:
    """Rates, fresh attempts and p-values, for whoever wants to check the verdict."""
    workspace.accept(cases=20, more="repeat: 3")
    workspace.api.reply = broken("case-07")
    done = workspace.play("second", "--baseline", "--json")
    gate = json.loads(done.stdout)["gate"]
    case = next(each for each in gate["cases"] if "case-07" in each["name"])
    assert (gate["verdict"], gate["code"], gate["against"]) == ("regressed", 1, "refund.baseline.json")
    assert case["accepted"] == {"passed": 3, "measured": 3}
    assert case["now"] == {"passed": 0, "measured": 3}
    assert case["fresh"] == {"passed": 0, "measured": 5}
    assert case["needed"] == 5
    assert gate["models"][0]["p_value"] == pytest.approx(0.05)


def test_a_cost_that_is_not_known_cannot_be_held(workspace: GateWorkspace) -> None:
    """Of a model without a price nobody can say that it costs no more: code 3, and the key is named."""
    (workspace.folder / "claude-run.toml").write_text("[gate]\nmax_cost_increase = 0.2\n")
    workspace.write(cases=2)
    scenario = workspace.folder / "refund.yaml"
    text = scenario.read_text(encoding="utf-8")
    scenario.write_text(text.replace("claude-haiku-5-5", "mystery-9"), encoding="utf-8")
    assert workspace.play("first").code == 0
    assert workspace.run("accept", "first").code == 0
    done = workspace.play("second", "--baseline")
    assert done.code == 3
    assert head(done)[0].startswith("NOT MEASURED: not all prices or tokens of both sides are known")


def test_where_nothing_could_be_compared_it_says_so(workspace: GateWorkspace) -> None:
    """Every expectation was edited, and all pass by themselves: that is no comparison."""
    workspace.accept(cases=2, more="repeat: 3")
    workspace.write(cases=2, more="repeat: 3", expect="contains: days")
    done = workspace.play("second", "--baseline")
    assert done.code == 0
    assert head(done)[0].startswith("NOTHING COMPARED: 2 cases passed by themselves")
    assert "PASSED (exit code 0): nothing could be compared" in done.stdout


def test_a_small_drop_is_not_blamed_for_what_others_broke(workspace: GateWorkspace) -> None:
    """Four cases broke beyond chance; one that failed once is still named as perhaps by chance."""
    workspace.accept(cases=20, more="repeat: 3")
    rule = broken(*numbered(4))
    workspace.api.reply = lambda body, nth: (
        "Sorry, no." if said(body) == "May I return case-09?" and nth == 4 else rule(body, nth)
    )
    done = workspace.play("second", "--baseline", "--junit", "junit.xml")
    assert done.code == 1
    assert head(done)[0].startswith("REGRESSED: 4 of 20 cases broke: ")
    assert "case-09" not in head(done)[0]
    assert f"worse, which may be chance: refund/case-09/{MODEL} (passed 3 of 3, now 2 of 3)" in done.stdout
    text = (workspace.folder / "junit.xml").read_text(encoding="utf-8")
    assert (text.count("<failure"), text.count("failed, and is tolerated: passed 3 of 3, now 2 of 3")) == (
        12,
        1,
    )


def test_each_scenario_pairs_its_models_by_itself(workspace: GateWorkspace) -> None:
    """One scenario is tried on another model; that a second one is played beside it changes nothing."""
    workspace.accept(cases=2, more="repeat: 3")
    workspace.write(cases=2, more="repeat: 3")
    text = (workspace.folder / "refund.yaml").read_text(encoding="utf-8")
    (workspace.folder / "other.yaml").write_text(text, encoding="utf-8")
    assert workspace.run("other.yaml", "-o", "other").code == 0
    assert workspace.run("accept", "other").code == 0
    moved = text.replace("claude-haiku-5-5", "claude-opus-5-5")
    (workspace.folder / "refund.yaml").write_text(moved, encoding="utf-8")
    done = workspace.run("refund.yaml", "other.yaml", "-o", "both", "--baseline")
    assert done.code == 0
    assert "NO REGRESSION FOUND: 4 of 4 cases as before" in done.stdout


def test_no_confirm_wins_over_the_project_file(workspace: GateWorkspace) -> None:
    """The command line says the last word."""
    (workspace.folder / "claude-run.toml").write_text("[gate]\nconfirm = 5\n")
    workspace.accept(cases=2)
    assert workspace.play("second", "--baseline", "--no-confirm").code == 0
    assert workspace.summary("second")["gate"]["most_fresh"] == 0
