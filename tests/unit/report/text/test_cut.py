"""Text that is made to fit into so many columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from claude_run.report.text.cut import cut_end, cut_middle

ACCENTED = "e\u0301"
HAND = "\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5}"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("expected the reply to fit", 25, "expected the reply to fit"),
        ("expected the reply to fit", 24, "expected the reply to …"),
        ("expected the reply to fit", 23, "expected the reply to …"),
        ("expected the reply to fit", 22, "expected the reply …"),
        ("a-word-that-fills-the-line at once", 12, "a-word-that…"),
        ("日本語 のケース", 8, "日本語 …"),
        ("日本語のケース", 8, "日本語…"),
        ("x", 0, ""),
    ],
)
def test_a_line_loses_its_last_words(text: str, width: int, shown: str) -> None:
    """What is left ends with a whole word, unless that would be next to nothing."""
    assert cut_end(text, width) == shown


@pytest.mark.parametrize(
    ("name", "width", "shown"),
    [
        ("refund/phone/haiku/3", 20, "refund/phone/haiku/3"),
        ("refund/phone/haiku/3", 19, "refund/ph…e/haiku/3"),
        ("日本語のケース/3", 9, "日本…ス/3"),
        (f"{ACCENTED * 9}", 5, f"{ACCENTED * 2}…{ACCENTED * 2}"),
        (f"{HAND * 9}", 5, f"{HAND}…{HAND}"),
        ("name", 1, "…"),
        ("name", 0, ""),
    ],
)
def test_a_name_loses_its_middle(name: str, width: int, shown: str) -> None:
    """Wide letters take two columns, and what is put on top of a letter stays there."""
    assert cut_middle(name, width) == shown


@given(text=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf"))), width=st.integers(0, 40))
def test_nothing_is_wider_than_its_room(text: str, width: int) -> None:
    """Whatever the text is made of."""
    assert cell_len(cut_end(text, width)) <= width
    assert cell_len(cut_middle(text, width)) <= width
