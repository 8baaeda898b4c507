"""The digest of expectations: it changes with all that is measured, and with nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from claude_run.conversation.script import JUDGE
from claude_run.scenario.model import Expectation, Graders, Position
from tests.unit.conversation.builders import assistant, script, text, user

if TYPE_CHECKING:
    from claude_run.conversation.script import Conversation

PLACE = Position(path="s.yaml", line=1, column=1)
KINDS = st.sampled_from(["contains", "max_words", JUDGE])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
LEAVES = st.builds(Expectation, kind=KINDS, value=VALUES, position=st.just(PLACE))
EXPECTATIONS = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        Expectation,
        kind=st.sampled_from(["not", "any_of", "all_of"]),
        children=st.lists(inner, min_size=1, max_size=3).map(tuple),
        position=st.just(PLACE),
    ),
    max_leaves=6,
)
LISTS = st.lists(EXPECTATIONS, max_size=3).map(tuple)


def expect(kind: str, value: Any = None, *children: Expectation) -> Expectation:
    """Give an expectation."""
    return Expectation(kind=kind, value=value, children=children, position=PLACE)


def digest(*expected: Expectation, **fields: Any) -> str:
    """Give the digest of a conversation of which this is expected as a whole."""
    return script(user(), expect=expected, **fields).expectations_digest


def moved(expectation: Expectation) -> Expectation:
    """Give the same expectation at another place of another file, with another name, and as a rule."""
    return replace(
        expectation,
        children=tuple(map(moved, reversed(expectation.children))),
        label="another name",
        must=not expectation.must,
        position=Position(path="other.yaml", line=99, column=7),
    )


def played(expected: tuple[Expectation, ...], of_turn: tuple[Expectation, ...]) -> Conversation:
    """Give a conversation that has expectations on its second turn, too."""
    return script(user(), user(expect=of_turn), expect=expected, judge=Graders(models=("j",)))


@given(expected=LISTS, of_turn=LISTS)
def test_only_what_is_measured_counts(
    expected: tuple[Expectation, ...], of_turn: tuple[Expectation, ...]
) -> None:
    """Neither places, nor names, nor order, nor rules, nor the file, nor the prompt change it."""
    found = played(expected, of_turn).expectations_digest
    assert re.fullmatch("[0-9a-f]{16}", found)
    others = [tuple(map(moved, reversed(each))) for each in (expected, of_turn)]
    assert played(others[0], others[1]).expectations_digest == found
    elsewhere = replace(played(expected, of_turn), params={"max_tokens": 5}, tags=("x",), vars={"a": 1})
    assert elsewhere.expectations_digest == found


@given(expected=LISTS, more=EXPECTATIONS)
def test_one_more_expectation_is_another_digest(expected: tuple[Expectation, ...], more: Expectation) -> None:
    """Wherever it stands: on the whole, on a turn, and denied."""
    variants = [
        played(expected, ()),
        played((*expected, more), ()),
        played((*expected, expect("not", None, more)), ()),
        played(expected, (more,)),
    ]
    assert len({each.expectations_digest for each in variants}) == len(variants)


@given(first=EXPECTATIONS, second=EXPECTATIONS)
def test_what_is_not_the_same_has_not_the_same_digest(first: Expectation, second: Expectation) -> None:
    """Two trees that differ in what they measure, down to the type of a number."""

    def told(each: Expectation) -> str:
        children = sorted(map(told, each.children))
        return repr((each.kind, _sorted(each.value), children))

    assert (digest(first) == digest(second)) == (told(first) == told(second))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return list(map(_sorted, value)) if isinstance(value, list) else value


def test_the_turn_counts_and_history_has_none() -> None:
    """An expectation that moves to another turn measures another reply."""
    asked = (expect("contains", "30 days"),)
    first, second = (
        script(user(expect=asked), user()).expectations_digest,
        script(user(), user(expect=asked)).expectations_digest,
    )
    assert first != second != digest(*asked)
    nothing = script(user(), assistant(), user()).expectations_digest
    assert script(user(expect=asked), assistant(), user()).expectations_digest == nothing
    assert script(user(example=text("Yes.")), assistant(), user("Other?")).expectations_digest == nothing


def test_who_judges_counts_where_somebody_is_asked() -> None:
    """Models and parameters of the judge, also inside of wrappers; without a judge expectation neither."""
    judges = [None, Graders(models=("a",)), Graders(models=("b",)), Graders(models=("a",), params={"x": 1})]
    polite = expect(JUDGE, "polite")
    for asked in (polite, expect("not", None, polite)):
        assert len({digest(asked, judge=judge) for judge in judges}) == len(judges)
    assert len({digest(expect("contains", "polite"), judge=judge) for judge in judges}) == 1


def test_an_expectation_that_names_its_judges_asks_no_others() -> None:
    """Its own models count, with the parameters that all judges have."""
    named = expect(JUDGE, {"rubric": "polite", "by": "c"})
    assert digest(named, judge=Graders(models=("a",))) == digest(named, judge=Graders(models=("b",)))
    assert digest(named, judge=Graders(models=("a",))) != digest(
        named, judge=Graders(models=("a",), params={"x": 1})
    )
    other = expect(JUDGE, {"rubric": "polite", "by": "d"})
    assert digest(named, judge=Graders(models=("a",))) != digest(other, judge=Graders(models=("a",)))
