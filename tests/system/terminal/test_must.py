"""A rule that must hold: one reply that breaks it fails the run, whatever rates and baselines say of it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

TALK = """\
name: keeper
model: claude-haiku-5-5
pass_rate: 0
cases:
  - {id: good, vars: {reply: the answer}}
  - {id: bad, vars: {reply: the key is X}}
turns:
  - user: "{{ reply }}?"
    example: "{{ reply }}"
    expect:
      - contains: answer
      - {not: {contains: key}, must: true, label: keeps the key}
"""
RULE = 'FAIL   turn 1, keeps the key (must): expected this not to hold, but it does: the reply contains "key"'
REASON = "1 conversation broke a rule that must hold: keeper/bad/claude-haiku-5-5"


def test_no_pass_rate_excuses_it(workspace: Workspace) -> None:
    """The case may fail as often as it likes, and only what must hold is not tolerated."""
    workspace.write("keeper.yaml", TALK)
    ended = workspace.run("keeper.yaml", "--simulate", "-o", "out", "--junit", "junit.xml")
    assert ended.code == 1
    assert ended.stdout.startswith(RULE)
    assert f"FAILED (exit code 1): {REASON}\n" in ended.stdout
    assert workspace.summary()["must_failed"] == ["keeper/bad/claude-haiku-5-5"]
    (failure,) = ET.parse(workspace.folder / "junit.xml").getroot().iter("failure")  # noqa: S314 - our own file
    assert "keeps the key (must)" in failure.attrib["message"]
    # Without the rule the same replies pass, since nothing is asked of the case.
    workspace.write("keeper.yaml", TALK.replace("must: true", "must: false"))
    assert workspace.run("keeper.yaml", "--simulate", "-o", "without").code == 0
    assert workspace.summary("without")["must_failed"] == []


def test_no_baseline_excuses_it(workspace: Workspace) -> None:
    """It failed before, and was accepted; it is named first all the same, and in every file."""
    workspace.write("keeper.yaml", TALK)
    workspace.run("keeper.yaml", "--simulate", "-n", "5", "-o", "before")
    assert workspace.run("accept", "before", "--with-failures").code == 0
    ended = workspace.run("keeper.yaml", "--simulate", "-n", "5", "--baseline", "-o", "out")
    assert ended.code == 1
    assert ended.stdout.startswith("BROKEN RULE: 5 conversations broke a rule that must hold: keeper/bad")
    assert ended.stdout.count("keeps the key (must)") == 1
    assert "5 conversations broke a rule that must hold: keeper/bad/claude-haiku-5-5/1, " in ended.stdout
    assert "5 conversations broke a rule that must hold" in workspace.summary()["exit_reason"]
    assert "keeps the key (must)" in (workspace.folder / "out" / "summary.md").read_text()
    assert workspace.run("report", "out").code == 1


def test_it_counts_as_failed_for_whoever_plays_again(workspace: Workspace) -> None:
    """`--lf` finds it, though the case reached its pass rate."""
    workspace.write("keeper.yaml", TALK)
    ended = workspace.run("keeper.yaml", "--simulate", "-q")
    again = workspace.run("keeper.yaml", "--simulate", "--lf")
    assert (ended.code, again.code) == (1, 1)
    assert "1 conversation: 0 passed, 1 failed" in again.stdout


@pytest.mark.parametrize(
    ("option", "code"), [(("-x", "-j", "1"), 1), (("--max-requests", "2", "-j", "1", "-n", "2"), 4)]
)
def test_it_is_told_whatever_else_ends_the_run(
    workspace: Workspace, option: tuple[str, ...], code: int
) -> None:
    """In the reason of the run, and so in every headline."""
    rows = TALK.replace("  - {id: good, vars: {reply: the answer}}\n", "")
    workspace.write(
        "keeper.yaml", rows.replace("turns:", "  - {id: good, vars: {reply: the answer}}\nturns:")
    )
    ended = workspace.run("keeper.yaml", "--simulate", *option, "-o", "out")
    assert ended.code == code
    assert "broke a rule that must hold: keeper/bad/" in workspace.summary()["exit_reason"]


@pytest.mark.parametrize(
    ("expected", "problem", "place"),
    [
        ("{not: {contains: key, must: true}}", "`must` belongs to the whole expectation, and not to", "5:31"),
        ("{any_of: [{contains: a, must: true}, {contains: b}]}", "`must` belongs to the whole", "5:31"),
        ("{contains: a, must: yes}", "`must` must be true or false, not a string", "5:50"),
        ("{contains: a, must: 1}", "`must` must be true or false, not a number", "5:50"),
        ("{must: true}", "this expectation is empty", "5:30"),
        ("{contains: a, musst: true}", "unknown expectation `musst`", "5:44"),
    ],
)
def test_where_it_may_stand(workspace: Workspace, expected: str, problem: str, place: str) -> None:
    """Beside the kind, on the outside, and true."""
    head = "name: s\nmodel: claude-haiku-5-5\nmax_tokens: 9\n"
    workspace.write("s.yaml", f"{head}turns:\n  - {{user: Hi, expect:      [{expected}]}}\n")
    ended = workspace.run("check", "s.yaml")
    assert ended.code == 2
    assert f"error: {problem}" in ended.stderr
    assert f"--> s.yaml:{place}" in ended.stderr


def test_it_is_kept_in_the_transcripts(workspace: Workspace) -> None:
    """So that whoever reads them, or makes the reports anew, knows what failed the run."""
    workspace.write("keeper.yaml", TALK)
    workspace.run("keeper.yaml", "--simulate", "-o", "out")
    rows = (workspace.folder / "out" / "transcripts.jsonl").read_text(encoding="ascii").splitlines()
    checks = [check for row in map(json.loads, rows) for check in row["turns"][0]["checks"]]
    assert [check.get("must") for check in checks] == [False, True, False, True]
