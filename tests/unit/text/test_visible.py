"""Untrusted text as it is shown."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.text.visible import count, visible, width


@given(st.text())
@settings(max_examples=100, deadline=None)
def test_visible_text_is_one_printable_line(text: str) -> None:
    """Nothing that acts on a terminal comes through, and plain text is not changed."""
    shown = visible(text)
    assert all(character.isprintable() or character.isspace() for character in shown)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    assert visible(shown) == shown


def test_width_counts_columns() -> None:
    """Wide characters take two columns, combining ones none."""
    assert (width("ab"), width("日本"), width("e\u0301")) == (2, 4, 1)


def test_each_kind_of_hidden_character_has_its_notation() -> None:
    """Control characters use carets, others their code point."""
    assert visible("\x1b\x7f\x9b\u202e\xad") == "^[^?\\x9b<U+202E><U+00AD>"


def test_counts() -> None:
    """Thousands are grouped unless it is refused, one is singular, an irregular plural is given."""
    assert count(1, "case") == "1 case"
    assert count(1234, "case") == "1,234 cases"
    assert count(1234, "case", grouped=False) == "1234 cases"
    assert count(0, "reply", plural="replies") == "0 replies"
