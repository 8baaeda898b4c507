"""A comparison on a terminal."""

from __future__ import annotations

import io
import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from claude_run.conversation.sample import Setup
from claude_run.report.compare.terminal import print_comparison
from claude_run.verdict.basics import ComparisonRules, PValue
from claude_run.verdict.comparison import Arm, Comparison, compare
from tests.support.hostile_corpus import CORPUS
from tests.unit.report import comparisons
from tests.unit.report.safe_output import assert_safe

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


def printed(comparison: Comparison, *, colour: bool = False, verbose: int = 0) -> str:
    """Return what is printed."""
    stream = io.StringIO()
    print_comparison(comparison, stream=stream, colour=colour, verbose=verbose)
    return stream.getvalue()


@pytest.mark.parametrize(
    "name", ["regressed", "improved", "unchanged", "inconclusive", "nothing", "many", "unlike"]
)
def test_each_verdict(name: str, snapshot: SnapshotAssertion) -> None:
    """The text of each verdict is as it was when a person last looked at it."""
    comparison: Comparison = getattr(comparisons, name)()
    assert printed(comparison) == snapshot


def test_the_verdict_comes_first() -> None:
    """The first line says what came of it, against what, and by how much."""
    first, _ = printed(comparisons.regressed()).split("\n", 1)
    assert first == "REGRESSED against baseline main: v2 passes 11 of 20 cases, was 18 (-35.0 points)"


def test_the_gravest_of_many_comes_first() -> None:
    """The headline of several candidates is the worst verdict, and the worst candidate is told first."""
    lines = printed(comparisons.many()).split("\n")
    assert lines[0].startswith(
        "REGRESSED against baseline claude-haiku-5-5: 3 candidates, 1 regressed, 1 inc"
    )
    assert [line.split(":")[0] for line in lines[1:] if " against baseline" in line] == [
        "REGRESSED against baseline claude-haiku-5-5",
        "INCONCLUSIVE against baseline claude-haiku-5-5",
        "IMPROVED against baseline claude-haiku-5-5",
    ]


def test_no_candidates_are_said() -> None:
    """A comparison with nobody is not decided, and nothing else is said."""
    comparison = compare(comparisons.arm("main", {"a": "1"}), [], ComparisonRules())
    assert printed(comparison) == "INCONCLUSIVE against baseline main: 0 candidates\n"


def test_verbose_shows_more_cases() -> None:
    """Without -v a few changed cases come with their replies and the rest is counted, with -vv all do."""
    comparison = comparisons.regressed()
    assert printed(comparison).count("baseline passed, candidate failed") == 3
    assert "6 more changed cases without replies here: pass -v\n" in printed(comparison)
    assert printed(comparison, verbose=2).count("baseline passed, candidate failed") == 8
    assert "more changed" not in printed(comparison, verbose=2)


def test_long_lists_are_cut_and_counted() -> None:
    """Hundreds of changed, flaky and unmatched cases are counted behind the first ones."""
    before = {**comparisons.numbered("11 " * 40), **comparisons.numbered("1 " * 40, prefix="old")}
    after = {**comparisons.numbered("00 " * 30 + "10 " * 10), **comparisons.numbered("1 " * 3, prefix="new")}
    before |= comparisons.numbered("10 " * 30, prefix="flaky")
    after |= comparisons.numbered("01 " * 30, prefix="flaky")
    shown = printed(
        compare(comparisons.arm("main", before), [comparisons.arm("v2", after)], ComparisonRules())
    )
    assert "NOT COMPARED, only in baseline main (40): refund/old-01" in shown
    assert ", and 30 more\n" in shown
    assert "15 more changed cases: pass -v or -vv\n" in shown
    assert "flaky, but no change: refund/flaky-01" in shown


def test_clusters_and_mid_p_are_said() -> None:
    """Cases that rise and fall together are counted as groups, and the test is named."""
    arms = [
        Arm(
            name=name,
            samples=tuple(
                comparisons.sample(case, passed=passed, variant=variant)
                for case in ("a", "b", "c")
                for variant in ("v1", "v2")
            ),
        )
        for name, passed in (("main", True), ("new", False))
    ]
    shown = printed(compare(arms[0], arms[1:], ComparisonRules(p_value=PValue.MID)))
    assert "6 compared in 3 groups that rise and fall together: 6 worse" in shown
    assert "at least 4 groups must get worse together, and only 3 groups were compared" in shown
    assert "one-sided mid-p sign-flip test" in shown


def test_p_values_that_are_all_one_are_left_out() -> None:
    """Where nothing moved there is no p-value, and a column that holds only 1 is no column."""
    shown = printed(comparisons.unchanged())
    assert "p-value" not in shown
    shown = printed(comparisons.improved())
    assert re.search(r"^case +change +baseline +candidate +points +note$", shown, re.MULTILINE)
    assert "p-value" in shown


def test_a_metric_that_nobody_would_act_on_is_told_with_v_only() -> None:
    """A little more latency is no finding; a price that doubles is one."""
    marks = comparisons.numbered("1 " * 20)
    before, dear = comparisons.arm("main", marks), comparisons.arm("v2", marks, cost_usd=Decimal("0.0021"))
    shown = printed(compare(before, [dear], ComparisonRules()))
    assert re.search(r"^cost .* \+", shown, re.MULTILINE)
    assert not re.search(r"^latency ", shown, re.MULTILINE)
    same = compare(before, [comparisons.arm("v2", marks)], ComparisonRules())
    assert "  cost, latency, tokens, length: no change to act on (-v shows them)\n" in printed(same)
    assert re.search(r"^latency ", printed(same, verbose=1), re.MULTILINE)


def test_what_differs_besides_stands_before_the_verdict() -> None:
    """Two models under two limits: which of them the verdict is about, nobody can tell."""
    assert printed(comparisons.unlike()).split("\n")[:3] == [
        "DIFFERS besides the model: max_tokens is 512 in haiku, 2048 in opus",
        "DIFFERS besides the model: temperature is not set in haiku, 0.2 in opus (1 of 3 cases)",
        "INCONCLUSIVE against baseline haiku: opus passes 3 of 3 cases, was 3 (+0.0 points)",
    ]


def test_very_many_differences_are_counted() -> None:
    """The first twenty stand there, the others are counted."""
    fields = [{"setup": Setup.of({f"p{place}": side for place in range(30)}, None, [])} for side in (0, 1)]
    arms = [comparisons.arm(name, {"a": "1"}, **each) for name, each in zip("ab", fields, strict=True)]
    shown = printed(compare(arms[0], arms[1:], ComparisonRules()))
    assert shown.count("DIFFERS p") == 20
    assert "DIFFERS 10 more: see --json\n" in shown


def test_one_case_that_regressed_by_itself_is_marked() -> None:
    """With enough repeats a single case can be called a regression, and another one be worth a look."""
    before = {"sofa": "1" * 12, "desk": "1" * 12, "lamp": "1" * 12, "vase": "1" * 12}
    after = {"sofa": "0" * 12, "desk": "00000" + "1" * 7, "lamp": "1" * 12, "vase": "1" * 12}
    shown = printed(
        compare(comparisons.arm("main", before), [comparisons.arm("v2", after)], ComparisonRules())
    )
    assert re.search(r"refund/sofa\S* +REGRESSED +12/12 +0/12", shown)
    assert re.search(r"refund/desk\S* +worse, look +12/12 +7/12 .* flaky\n", shown)


def test_equal_and_missing_replies_are_said() -> None:
    """Where only a check tells samples apart the replies are the same; one may stand on one side only."""
    before = [comparisons.sample("a", replies=("Yes.",)), comparisons.sample("b", replies=("Yes.",))]
    after = [
        comparisons.sample(
            "a", passed=False, replies=("Yes.",), failures=tuple(f"check {n}" for n in range(7))
        ),
        comparisons.sample("b", passed=False, replies=("Yes.", "And no.")),
    ]
    arms = [Arm(name=name, samples=tuple(rows)) for name, rows in (("main", before), ("v2", after))]
    shown = printed(compare(arms[0], arms[1:], ComparisonRules()))
    assert "    failed: and 2 more\n    the replies of these two are the same\n" in shown
    asked = "    asked: I want my money back. What do I do?\n"
    assert f"    reply 2 (only in the candidate)\n{asked}    | {{+And no.+}}\n" in shown


def test_a_reply_that_is_gone_is_shown_as_removed() -> None:
    """A reply that only the baseline has is removed text."""
    arms = [
        Arm(name=name, samples=(comparisons.sample("a", passed=passed, replies=replies),))
        for name, passed, replies in (("main", True, ("Yes.", "More.")), ("v2", False, ("Yes.",)))
    ]
    shown = printed(compare(arms[0], arms[1:], ComparisonRules()))
    asked = "    asked: I want my money back. What do I do?\n"
    assert f"    reply 2 (only in the baseline)\n{asked}    | [-More.-]\n" in shown


def test_colour_adds_nothing_but_styles() -> None:
    """In colour the words are the same, and no hostile text brings an escape sequence of its own."""
    for text in CORPUS:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", printed(comparisons.hostile(text), colour=True))
        assert_safe("log", plain)
    assert "\x1b[1;31mREGRESSED\x1b[0m" in printed(comparisons.regressed(), colour=True)
