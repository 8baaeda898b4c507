"""Words of other tools get what they mean here, and never the opposite."""

from __future__ import annotations

import pytest

from claude_run.checks.registry import default_registry
from claude_run.scenario.foreign_words import expectation_hint, key_hint, own_check_hint

KINDS = default_registry().kinds()


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("not-contains", "write `- not: {contains: ...}`"),
        ("isNotJson", "write `- not: {json: true}`"),
        ("unmatched", "write `- not: {matches: ...}`"),
        ("none_of", "write `- not: {any_of: [...]}`"),
        ("not_llm_rubric", "write `- not: {judge: what a good reply must have}`"),
        ("not_known_at_all", "write `- not: {...}`"),
        ("icontains", "write `- contains: {text: ..., ignore_case: true}`"),
        ("min_chars", "there is only an upper bound: write `- not: {max_chars: 400}` for more than that"),
        ("at_least_words", "write `- min_words: 10`"),
        ("at_most_words", "write `- max_words: 100`"),
        ("assert", "write the expectation itself: `- contains: text`"),
        ("threshold", "the kind is the key, and what it looks for its value: `- contains: text`"),
        ("javascript", "this takes a function of your own in Python, handed over with --checks FILE"),
        ("contian", None),
        ("max_words", None),
    ],
)
def test_an_expectation_of_another_tool(word: str, hint: str | None) -> None:
    """A negation stays one, a bound keeps its side, and a slip of ours is left to its letters."""
    assert expectation_hint(word, KINDS) == hint


def test_a_key_of_another_tool() -> None:
    """At the top of a scenario, and at a turn."""
    assert (
        key_hint("tests", turn=False)
        == "write `cases: [{id: name, vars: {item: value}}], and `expect` at the turns`"
    )
    assert key_hint("assert", turn=True) == "write `expect: [{contains: text}]`"
    assert key_hint("nothing like it", turn=True) is None


def test_an_unknown_expectation_may_be_a_check_of_ones_own() -> None:
    """Whoever forgot to hand it over learns how."""
    assert own_check_hint(["a", "b"]) == "known: a, b; a check of your own needs --checks FILE"
