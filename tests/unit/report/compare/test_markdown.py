"""A comparison as a comment on a pull request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from claude_run.report.compare.markdown import LIMIT, comparison_markdown
from claude_run.verdict.basics import ComparisonRules
from claude_run.verdict.comparison import Arm, Comparison, compare
from tests.support.hostile_corpus import CORPUS
from tests.unit.report import comparisons
from tests.unit.report.safe_output import assert_safe, skeleton

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


def large(
    *, cases: int = 0, changed: int = 0, names: int = 0, reply: str = "", candidates: int = 1
) -> Comparison:
    """Compare large runs: unchanged and changed cases, some only in the baseline, one reply a sample."""
    before = [
        *(comparisons.sample(f"steady-{number}", replies=(reply,)) for number in range(cases)),
        *(comparisons.sample(f"moved-{number}", replies=(f"{number} {reply}",)) for number in range(changed)),
        *(comparisons.sample(f"gone-{number:04}{'x' * 90}") for number in range(names)),
    ]
    after = [
        *(comparisons.sample(f"steady-{number}", replies=(reply,)) for number in range(cases)),
        *(
            comparisons.sample(f"moved-{number}", passed=False, replies=(f"no {reply[::2]}",))
            for number in range(changed)
        ),
        comparisons.sample("new"),
    ]
    arms = [Arm(name=f"v{number}", samples=tuple(after)) for number in range(candidates)]
    return compare(Arm(name="main", samples=tuple(before)), arms, ComparisonRules())


@pytest.mark.parametrize(
    "name", ["regressed", "improved", "unchanged", "inconclusive", "nothing", "many", "unlike"]
)
def test_each_verdict(name: str, snapshot: SnapshotAssertion) -> None:
    """The comment of each verdict is as it was when a person last looked at it; nothing is left out."""
    shown = comparison_markdown(getattr(comparisons, name)())
    assert_safe("comment", shown)
    assert "Left out to fit" not in shown
    assert shown == snapshot


def test_the_mark_and_the_verdict_come_first() -> None:
    """A bot finds the first line, a person reads the second."""
    mark, verdict, _ = comparison_markdown(comparisons.regressed()).split("\n", 2)
    assert mark == "<!-- claude-run comparison -->"
    assert verdict.startswith("**REGRESSED** against baseline main: v2 passes 11 of 20 cases, was 18")


def test_unchanged_cases_are_left_out_first() -> None:
    """A suite with too many cases loses rows of what did not change, and keeps every change."""
    shown = comparison_markdown(large(cases=2_000, changed=8, reply="word " * 40))
    assert LIMIT * 0.9 < len(shown.encode()) <= LIMIT
    assert shown.count("| `refund/moved-") == 8
    assert shown.count("```diff") == 8
    assert 100 < shown.count("| `refund/steady-") < 2_000
    left = 2_000 - shown.count("| `refund/steady-")
    assert shown.endswith(
        f"\n*Left out to fit a comment: {left:,} unchanged cases. `claude-run compare --html` shows all.*\n"
    )


def test_replies_are_left_out_next() -> None:
    """Many long replies: all changed cases stay in the table, as many replies as fit are shown."""
    shown = comparison_markdown(large(cases=50, changed=50, reply="a long word 試 " * 300))
    assert len(shown.encode()) <= LIMIT
    assert shown.count("| `refund/moved-") == 50
    assert 0 < shown.count("```diff") < 50
    assert "50 unchanged cases, the replies of" in shown


def test_changed_cases_and_names_are_left_out_last() -> None:
    """Where even the changed cases are too many, the verdict and the numbers still stand."""
    shown = comparison_markdown(large(changed=1_500, names=1_000, reply="word " * 10))
    assert len(shown.encode()) <= LIMIT
    assert "v0 passes 0 of 1,500 cases, was 1,500" in shown
    left = 1_500 - shown.count("| `refund/moved-")
    assert 100 < left < 1_000
    assert (
        f"the replies of 1,500 changed cases, {left:,} changed cases, 950 names of cases that were" in shown
    )
    assert "(1,000 cases): `refund/gone-0000" in shown
    assert "` and 950 more\n" in shown


def test_candidates_are_left_out_when_nothing_else_helps() -> None:
    """A hundred candidates are more than a comment holds; those that are missing are counted."""
    shown = comparison_markdown(large(cases=1, candidates=150))
    assert len(shown.encode()) <= LIMIT
    told = shown.count("\n### INCONCLUSIVE: v")
    assert 10 < told < 150
    assert f"{150 - told} candidates. `claude-run" in shown
    assert shown.count("NOT COMPARED") == told


def test_several_changed_replies_are_cut() -> None:
    """Of a long conversation a few replies are shown, the others are counted; equal ones are said to be."""
    before = comparisons.sample("a", replies=tuple(f"good {number}" for number in range(9)))
    after = comparisons.sample("a", passed=False, replies=tuple(f"bad {number}" for number in range(9)))
    same = [comparisons.sample("b", passed=passed, replies=("the same",)) for passed in (True, False)]
    arms = [
        Arm(name=name, samples=rows) for name, rows in (("main", (before, same[0])), ("v2", (after, same[1])))
    ]
    shown = comparison_markdown(compare(arms[0], arms[1:], ComparisonRules()))
    assert shown.count("```diff") == 4
    assert "*5 more replies differ.*" in shown
    assert "*The replies of these two are the same.*" in shown


def test_no_candidate_is_a_comment_too() -> None:
    """A comparison with nobody is a mark and a line."""
    comparison = compare(comparisons.arm("main", {"a": "1"}), [], ComparisonRules())
    assert (
        comparison_markdown(comparison).split("\n")[1]
        == "**INCONCLUSIVE** against baseline main: 0 candidates"
    )


def test_no_text_changes_the_shape_of_a_comment() -> None:
    """The headings, tables, lists and fences are the same whatever the texts say."""
    plain = skeleton(comparison_markdown(comparisons.hostile("plain")))
    for text in CORPUS:
        if text:
            assert skeleton(comparison_markdown(comparisons.hostile(text))) == plain, text[:80]


def test_a_large_comparison_is_written_in_bounded_time() -> None:
    """Thousands of cases with long replies take a moment, not minutes."""
    comparison = large(cases=1_000, changed=500, reply="some words of a long reply " * 100)
    begin = time.process_time()
    comparison_markdown(comparison)
    assert time.process_time() - begin < 5
