"""What a message shows of a long text: the place, as much around it as fits, and where it was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.checks.excerpt import around, cut, cut_start

ELLIPSIS = "…"


@given(st.text("abc", min_size=81, max_size=300), st.data())
def test_the_place_is_in_view_with_its_surroundings(text: str, data: st.DataObject) -> None:
    """The window is full, holds the place, lies on both sides of it, and says where the text goes on."""
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, min(len(text), start + 60)))
    shown = around(text, start, end=end, limit=80)
    inside = shown.strip(ELLIPSIS)
    begin = (
        0
        if not shown.startswith(ELLIPSIS)
        else next(
            at
            for at in range(1, start + 1)
            if text[at : at + len(inside)] == inside and at + len(inside) >= end
        )
    )
    assert len(inside) == 78
    assert text[begin : begin + 78] == inside
    assert begin <= start
    assert end <= begin + 78
    assert shown.endswith(ELLIPSIS) is (begin + 78 < len(text))


@pytest.mark.parametrize(
    ("start", "shown"),
    [(0, "0123456" + ELLIPSIS), (5, ELLIPSIS + "2345678" + ELLIPSIS), (19, ELLIPSIS + "3456789")],
    ids=["at the begin", "in the middle", "at the end"],
)
def test_the_window_lies_around_the_place(start: int, shown: str) -> None:
    """As much before it as behind it, where the text is long enough."""
    text = "0123456789" * 2
    assert around(text, start, end=start + 1, limit=9) == shown


def test_a_short_text_is_shown_whole() -> None:
    """Up to the limit nothing is left out, one character more is."""
    assert around("x" * 80, 3, end=4) == "x" * 80
    assert cut("x" * 300) == cut_start("x" * 300) == "x" * 300
    assert cut("a" + "x" * 300) == "a" + "x" * 298 + ELLIPSIS
    assert cut_start("x" * 300 + "a") == ELLIPSIS + "x" * 298 + "a"
