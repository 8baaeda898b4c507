"""Expressions and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.errors import InputError
from claude_run.plan.filters import MAX_DEPTH, has_tag, parse_expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syrupy.assertion import SnapshotAssertion

NAMES = ("refund/phone/claude-haiku-5-5", "claude-haiku-5-5", "smoke", "Slow Lane")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("refund", True),
        ("REFUND", True),
        ("opus", False),
        ("smoke and haiku", True),
        ("smoke and opus", False),
        ("opus or smoke", True),
        ("not opus", True),
        ("not not smoke", True),
        ("not smoke or haiku", True),
        ("not (smoke or haiku)", False),
        ("opus and opus or smoke", True),
        ("smoke or opus and opus", True),
        ("opus and (opus or smoke)", False),
        ("'slow lane'", True),
        ('"slow lane" and phone', True),
        ("'not'", False),
        ("refund/phone", True),
        ("(((smoke)))", True),
        (" smoke ", True),
    ],
)
def test_an_expression_reads_as_in_pytest(expression: str, expected: bool) -> None:
    """`not` binds tighter than `and`, `and` tighter than `or`, and words are parts of names."""
    assert parse_expression(expression)(NAMES) is expected


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "   ",
        "smoke and",
        "and smoke",
        "smoke slow",
        "(smoke or slow",
        "smoke)",
        "()",
        "not",
        "smoke and 'slow lane",
        "smoke or ''",
        "smoke AND slow",
        "\x1b[31m \u4e2d\u6587 or )",
    ],
)
def test_a_wrong_expression_is_shown_with_its_column(expression: str, snapshot: SnapshotAssertion) -> None:
    """The error names what was found, its column, and points at it; nothing is shown raw."""
    with pytest.raises(InputError) as caught:
        parse_expression(expression)
    assert str(caught.value) == snapshot


@pytest.mark.parametrize("expression", ["(" * 5000 + "a" + ")" * 5000, "not " * 5000 + "a"])
def test_deep_nesting_is_refused(expression: str) -> None:
    """An expression that nests without end is an error of the user, not of the interpreter."""
    with pytest.raises(InputError, match=f"nested more than {MAX_DEPTH} deep"):
        parse_expression(expression)


def test_nesting_side_by_side_is_not_deep() -> None:
    """Depth is how far expressions stand inside each other, not how many there are."""
    assert parse_expression(" or ".join(["not (a)"] * (2 * MAX_DEPTH)))(["b"])


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab()'\" \x1bandortn", max_size=40))
def test_any_text_is_an_expression_or_an_input_error(source: str) -> None:
    """No text makes the parser fail in another way."""
    try:
        predicate = parse_expression(source)
    except InputError:
        return
    assert predicate(["a", "b"]) in {True, False}


_words = st.sampled_from(["smoke", "opus", "refund", "lane", "zzz"])
_trees = st.recursive(
    _words,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner), st.tuples(st.sampled_from(["and", "or"]), inner, inner)
    ),
    max_leaves=8,
)


def _source(tree: Sequence[str] | str) -> str:
    if isinstance(tree, str):
        return tree
    if len(tree) == 2:
        return f"not ({_source(tree[1])})"
    return f"({_source(tree[1])}) {tree[0]} ({_source(tree[2])})"


def _truth(tree: Sequence[str] | str) -> bool:
    if isinstance(tree, str):
        return any(tree in name.lower() for name in NAMES)
    if len(tree) == 2:
        return not _truth(tree[1])
    left, right = _truth(tree[1]), _truth(tree[2])
    return (left and right) if tree[0] == "and" else (left or right)


@settings(max_examples=100, deadline=None)
@given(_trees)
def test_an_expression_means_what_its_tree_means(tree: tuple[str, ...] | str) -> None:
    """Reading a written tree gives the truth of the tree."""
    assert parse_expression(_source(tree))(NAMES) is _truth(tree)


def test_a_tag_is_whole_and_any_will_do() -> None:
    """`--tag` compares whole tags, and one of several is enough."""
    assert has_tag(["smoke", "slow"], ["slow", "other"])
    assert not has_tag(["smoke"], ["smo", "Smoke"])
