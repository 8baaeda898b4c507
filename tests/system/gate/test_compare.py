"""`compare`: two runs, or the models and variants of one, in every form, with the exit code of the gate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.system.gate.api import obeys
from tests.system.gate.workspace import BAD, ENOUGH

if TYPE_CHECKING:
    from tests.system.gate.workspace import GateWorkspace

OPUS = "claude-opus-5-5"
TWO_MODELS = ("-m", "claude-haiku-5-5", "-m", OPUS)


@pytest.fixture
def worse(workspace: GateWorkspace) -> GateWorkspace:
    """Give two runs, `first` and `second`, the second with the broken prompt."""
    workspace.write()
    assert workspace.play("first").code == 0
    workspace.write(system=BAD)
    assert workspace.play("second").code == 1
    workspace.api.bodies.clear()
    return workspace


def test_a_run_that_got_worse_fails(worse: GateWorkspace) -> None:
    """The table on stdout names the cases and shows what changed; nothing is sent."""
    done = worse.run("compare", "first", "second")
    assert done.code == 1
    assert "REGRESSED against baseline first" in done.stdout
    assert "refund/case-08" in done.stdout
    assert "[-within 30 days.-]" in done.stdout
    assert worse.api.bodies == []


def test_the_other_way_round_it_improved(worse: GateWorkspace) -> None:
    """The first one named is the baseline."""
    done = worse.run("compare", "second", "first")
    assert (done.code, "IMPROVED" in done.stdout) == (0, True)


def test_json_holds_verdict_and_numbers(worse: GateWorkspace) -> None:
    """One document on stdout, also where the verdict fails."""
    done = worse.run("compare", "first", "second", "--json")
    assert done.code == 1
    (found,) = json.loads(done.stdout)["candidates"]
    assert found["verdict"] == "regressed"
    assert found["p_worse"] == pytest.approx(1 / 2**ENOUGH)


def test_markdown_and_html(worse: GateWorkspace) -> None:
    """The same comparison for a pull request and for a browser."""
    markdown = worse.run("compare", "first", "second", "--markdown")
    page = worse.run("compare", "first", "second", "--html")
    assert (markdown.code, page.code) == (1, 1)
    assert "refund/case-01" in markdown.stdout
    assert page.stdout.startswith("<!DOCTYPE html>")
    assert worse.run("compare", "first", "second", "--html", "--json").code == 2


def test_doubt_warns_or_fails(workspace: GateWorkspace) -> None:
    """Two equal runs of two cases: nobody can tell."""
    workspace.write(cases=2)
    assert [workspace.play(name).code for name in ("first", "second")] == [0, 0]
    assert workspace.run("compare", "first", "second").code == 0
    done = workspace.run("compare", "first", "second", "--on-inconclusive", "fail")
    assert (done.code, "INCONCLUSIVE" in done.stdout) == (1, True)


def test_the_models_of_one_run(workspace: GateWorkspace) -> None:
    """The first model is the baseline, cases pair across models."""
    workspace.api.reply = lambda body, nth: "Never." if body["model"] == OPUS else obeys(body, nth)
    workspace.write()
    assert workspace.play("both", *TWO_MODELS).code == 1
    done = workspace.run("compare", "both")
    assert done.code == 1
    assert f"REGRESSED against baseline claude-haiku-5-5: {OPUS} passes 0 of {ENOUGH} cases" in done.stdout


def test_the_variants_of_one_run(workspace: GateWorkspace) -> None:
    """Two prompts in one file, played and compared."""
    workspace.write(more=f"variants:\n  - {{id: v1}}\n  - {{id: v2, system: {BAD}}}")
    assert workspace.play("both").code == 1
    done = workspace.run("compare", "both")
    assert (done.code, "REGRESSED against baseline v1: v2" in done.stdout) == (1, True)


def test_two_runs_of_two_models_each(workspace: GateWorkspace) -> None:
    """Rows of one case rise and fall together: sixteen pairs are eight groups."""
    workspace.write()
    assert workspace.play("first", *TWO_MODELS).code == 0
    workspace.write(system=BAD)
    assert workspace.play("second", *TWO_MODELS).code == 1
    done = workspace.run("compare", "first", "second", "--json")
    (found,) = json.loads(done.stdout)["candidates"]
    assert found["verdict"] == "regressed"
    assert found["p_worse"] == pytest.approx(1 / 2**ENOUGH)


def test_many_candidates_against_the_first(worse: GateWorkspace) -> None:
    """One of them that got worse fails the whole."""
    worse.write()
    assert worse.play("third").code == 0
    done = worse.run("compare", "first", "third", "second", "--json")
    assert done.code == 1
    assert len(json.loads(done.stdout)["candidates"]) == 2


def test_what_has_no_partner_is_named(workspace: GateWorkspace) -> None:
    """Cases of one run alone are listed, not dropped in silence."""
    workspace.write(cases=["both", "old"])
    assert workspace.play("first").code == 0
    workspace.write(cases=["both", "new"])
    assert workspace.play("second").code == 0
    done = workspace.run("compare", "first", "second")
    assert "refund/old" in done.stdout
    assert "refund/new" in done.stdout


def test_one_model_alone_needs_a_second_run(workspace: GateWorkspace) -> None:
    """There is nothing inside it to compare."""
    workspace.write(cases=2)
    assert workspace.play("first").code == 0
    done = workspace.run("compare", "first")
    assert done.code == 2
    assert "name a second run to compare it with" in done.stderr
    done = workspace.run("compare", "first", "none")
    assert done.code == 2
    assert "none holds no run" in done.stderr


def test_a_baseline_file_may_stand_first(worse: GateWorkspace) -> None:
    """What was accepted is held against a run, without playing anything."""
    assert worse.run("accept", "first").code == 0
    done = worse.run("compare", "refund.baseline.json", "second")
    assert done.code == 1
    assert (
        f"REGRESSED against baseline refund.baseline.json: second passes 0 of {ENOUGH} cases" in done.stdout
    )
    assert "[-within 30 days.-]" in done.stdout
    done = worse.run("compare", worse.baseline, "first", "second", "--json")
    found = json.loads(done.stdout)["candidates"]
    assert [each["verdict"] for each in found] == ["inconclusive", "regressed"]
    assert worse.api.bodies == []


def test_a_baseline_file_alone_is_compared_inside(workspace: GateWorkspace) -> None:
    """Its models or variants, as those of a run."""
    workspace.api.reply = lambda body, nth: "Never." if body["model"] == OPUS else obeys(body, nth)
    workspace.write()
    assert workspace.play("both", *TWO_MODELS).code == 1
    assert workspace.run("accept", "both", "--with-failures").code == 0
    done = workspace.run("compare", "refund.baseline.json")
    assert done.code == 1
    assert f"REGRESSED against baseline claude-haiku-5-5: {OPUS} passes 0 of {ENOUGH} cases" in done.stdout


def test_a_file_that_cannot_be_compared_is_named(worse: GateWorkspace) -> None:
    """A baseline in the place of a candidate, one of another scenario, and what is no baseline."""
    assert worse.run("accept", "first").code == 0
    file = "refund.baseline.json"
    other = json.loads(worse.baseline.read_text(encoding="utf-8")) | {"scenario": "returns"}
    (worse.folder / "returns.baseline.json").write_text(json.dumps(other), encoding="utf-8")
    for arguments, words in (
        (("first", file), f"{file} is a file, and only what others are held against may be a baseline file:"),
        (("first", file), f"name it first: {file} first"),
        ((file, file), "take its place with a run folder"),
        (
            ("returns.baseline.json", "first"),
            "is the baseline of scenario 'returns', which was not played in first: name a run of that",
        ),
        (("first/summary.json", "second"), "first/summary.json is not a baseline of version 2"),
        (("none.baseline.json", "second"), "none.baseline.json holds no run"),
    ):
        done = worse.run("compare", *arguments)
        assert (done.code, done.stdout) == (2, ""), arguments
        assert words in done.stderr
