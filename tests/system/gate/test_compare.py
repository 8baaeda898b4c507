"""`compare`: two runs, or the models and variants of one, in every form, with the exit code of the gate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.system.gate.api import obeys
from tests.system.gate.workspace import BAD, ENOUGH, GOOD

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


def test_what_differs_besides_the_prompt_is_told_first(workspace: GateWorkspace) -> None:
    """A new prompt and other parameters at once: the verdict may be about either, in every form."""
    workspace.write(cases=2, more="stop_sequences: [END]")
    assert workspace.play("first").code == 0
    workspace.write(cases=2, system=f"{GOOD} Always.", more="stop_sequences: [STOP]\nmetadata: {user_id: me}")
    assert workspace.play("second").code == 0
    lines = workspace.run("compare", "first", "second").stdout.splitlines()
    assert lines[:2] == [
        'DIFFERS besides the system prompt: stop_sequences is ["END"] in first, ["STOP"] in second',
        'DIFFERS besides the system prompt: metadata is not set in first, {"user_id": "me"} in second',
    ]
    assert lines[2].startswith("INCONCLUSIVE ")
    assert lines[-1] == "PASSED (exit code 0): inconclusive; with --on-inconclusive fail this would fail"
    (found,) = json.loads(workspace.run("compare", "first", "second", "--json").stdout)["candidates"]
    assert found["under_test"] == "system prompt"
    assert [each["name"] for each in found["differs"]] == ["stop_sequences", "metadata"]
    markdown = workspace.run("compare", "first", "second", "--markdown").stdout
    assert markdown.index("DIFFERS") < markdown.index("INCONCLUSIVE")
    _, body = workspace.run("compare", "first", "second", "--html").stdout.split("<body>")
    assert body.index("DIFFERS") < body.index("INCONCLUSIVE")


def test_the_models_of_one_run_under_two_limits(workspace: GateWorkspace) -> None:
    """A model that may say more is not compared with the other alone."""
    workspace.write(cases=2)
    path = workspace.folder / "refund.yaml"
    models = f"models: [claude-haiku-5-5, {{model: {OPUS}, label: large, max_tokens: 99}}]"
    path.write_text(
        path.read_text(encoding="utf-8").replace("model: claude-haiku-5-5", models), encoding="utf-8"
    )
    assert workspace.play("both").code == 0
    first = workspace.run("compare", "both").stdout.splitlines()[0]
    assert first == "DIFFERS besides the model: max_tokens is 100 in claude-haiku-5-5, 99 in large"


def test_doubt_warns_or_fails(workspace: GateWorkspace) -> None:
    """Two equal runs of two cases: nobody can tell."""
    workspace.write(cases=2)
    assert [workspace.play(name).code for name in ("first", "second")] == [0, 0]
    assert workspace.run("compare", "first", "second").code == 0
    done = workspace.run("compare", "first", "second", "--on-inconclusive", "fail")
    assert (done.code, "INCONCLUSIVE" in done.stdout) == (1, True)
    assert done.stdout.endswith("FAILED (exit code 1): inconclusive, and that was asked to fail\n")


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
    assert "DIFFERS" not in done.stdout


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


@pytest.mark.parametrize("left", ["first", "refund.baseline.json"])
def test_edited_expectations_are_named_first(workspace: GateWorkspace, left: str) -> None:
    """A lower rate under another check says nothing of the prompt: that stands above the verdict."""
    workspace.write()
    assert workspace.play("first").code == 0
    assert workspace.run("accept", "first").code == 0
    workspace.write(expect="contains: 31 days")
    assert workspace.play("second").code == 1
    done = workspace.run("compare", left, "second")
    assert done.stdout.startswith("DIFFERS")
    assert "what is expected is not the same in" in done.stdout.splitlines()[0]


def test_edited_variables_are_named_and_what_a_baseline_lacks_is_said(workspace: GateWorkspace) -> None:
    """Another question under the same name, and what nobody can know of a baseline file."""
    workspace.write(cases=["a", "b"])
    assert workspace.play("first").code == 0
    assert workspace.run("accept", "first").code == 0
    text = (workspace.folder / "refund.yaml").read_text(encoding="utf-8")
    other = text.replace("{id: b, vars: {item: b}}", "{id: b, vars: {item: c}}")
    (workspace.folder / "refund.yaml").write_text(other, encoding="utf-8")
    assert workspace.play("second").code == 0
    for left, unknown in (("first", False), ("refund.baseline.json", True)):
        shown = workspace.run("compare", left, "second").stdout
        assert "what the variables hold is not the same in" in shown
        assert ("prompt, turns and parameters were the same is not known" in shown) is unknown
