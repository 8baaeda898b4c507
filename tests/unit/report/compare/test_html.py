"""A comparison as a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from claude_run.report.compare.html import comparison_html
from claude_run.verdict.basics import ComparisonRules
from claude_run.verdict.comparison import Arm, compare
from tests.support.hostile_corpus import CORPUS
from tests.unit.report import comparisons
from tests.unit.report.safe_html import Element, assert_safe_html, html_skeleton, policy

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

NAMES = ["regressed", "improved", "unchanged", "inconclusive", "nothing", "many", "unlike"]


@pytest.mark.parametrize("name", NAMES)
def test_each_verdict_is_a_whole_page(name: str) -> None:
    """Every page parses, with each tag closed, and holds nothing remote, no script, nothing that acts."""
    page = comparison_html(getattr(comparisons, name)())
    assert_safe_html(page)
    assert not re.search(r"https?:|//|url\(|@import|javascript:", page)


def test_the_page(snapshot: SnapshotAssertion) -> None:
    """The body of a page is as it was when a person last looked at it."""
    assert comparison_html(comparisons.inconclusive()).split("<body>")[1] == snapshot


def test_the_policy_denies_all_but_its_own_style() -> None:
    """The hash in the policy is that of the style in the page."""
    assert policy(comparison_html(comparisons.many())) == {
        "default-src": "'none'",
        "style-src": "'the hash of the style'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_text_is_escaped_once() -> None:
    """A reply with markup is shown as it was written, control characters in words."""
    before = comparisons.sample("a", replies=("<b>1 & 2</b>",))
    after = comparisons.sample("a", passed=False, replies=("<b>1 & 3</b>\x1b[2J",))
    arms = [Arm(name=name, samples=(row,)) for name, row in (("x<y", before), ("v2", after))]
    page = comparison_html(compare(arms[0], arms[1:], ComparisonRules()))
    assert "&lt;b&gt;1 &amp; <del>2&lt;/b&gt;</del>" in page
    assert "<ins>3&lt;/b&gt;^[[2J</ins>" in page
    assert "against baseline x&lt;y:" in page


def test_intervals_are_drawn_on_one_scale() -> None:
    """Every candidate has a plot, zero lies at the same place in each, and the interval around its centre."""
    page = comparison_html(comparisons.many())
    assert len(set(re.findall(r'class="zero" x1="([\d.]+)"', page))) == 1
    lines = re.findall(r'class="reach" x1="([\d.]+)" y1="12" x2="([\d.]+)".*?cx="([\d.]+)"', page)
    assert len(lines) == 3
    for lower, upper, centre in lines:
        assert 0 < float(lower) < float(centre) < float(upper) < 240
    assert "<svg" not in comparison_html(comparisons.nothing())


def test_replies_beyond_a_hundred_cases_are_counted() -> None:
    """Of very many changed cases all stand in the table, and those without replies are counted."""
    marks = [comparisons.numbered(f"{mark} " * 120) for mark in "10"]
    page = comparison_html(
        compare(comparisons.arm("main", marks[0]), [comparisons.arm("v2", marks[1])], ComparisonRules())
    )
    assert "20 more changed cases are not shown with their replies." in page
    assert page.count("<td>worse</td>") == 120


def test_replies_that_are_the_same_are_said() -> None:
    """Where only a check tells two samples apart the page says so."""
    arms = [
        Arm(name=str(passed), samples=(comparisons.sample("a", passed=passed, replies=("Yes.",)),))
        for passed in (True, False)
    ]
    assert "The replies of these two are the same." in comparison_html(
        compare(arms[0], arms[1:], ComparisonRules())
    )


def test_no_candidate_is_a_page_too() -> None:
    """A comparison with nobody is a page with a headline."""
    page = comparison_html(compare(comparisons.arm("main", {"a": "1"}), [], ComparisonRules()))
    assert_safe_html(page)
    assert "<table>" not in page


def test_no_text_changes_the_shape_of_a_page() -> None:
    """The elements of a page are the same whatever the texts say."""
    plain = shape("plain")
    for text in CORPUS:
        if text:
            assert shape(text) == plain, text[:80]


def shape(text: str) -> list[Element]:
    """Return the elements of a hostile page but those that mark words, which follow the text."""
    elements = html_skeleton(comparison_html(comparisons.hostile(text)))
    return [element for element in elements if element[0] not in {"del", "ins"}]
