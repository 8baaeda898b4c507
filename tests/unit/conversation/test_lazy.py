"""Sequences that make their items when they are asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claude_run.conversation.lazy import LazySequence

ITEMS = st.lists(st.integers())


def _lazy(items: list[int]) -> LazySequence[int]:
    return LazySequence.over(items, lambda item: item * 2)


@given(ITEMS)
def test_it_is_the_list_of_what_is_made(items: list[int]) -> None:
    """Length, order, membership and equality are those of the list."""
    doubled, lazy = [item * 2 for item in items], _lazy(items)
    assert (len(lazy), bool(lazy), list(lazy), list(reversed(lazy))) == (
        len(doubled),
        bool(doubled),
        doubled,
        doubled[::-1],
    )
    assert lazy == doubled
    assert tuple(doubled) == lazy
    assert lazy != [*doubled, 0]
    assert all(item in lazy for item in doubled)


@given(ITEMS, st.slices(20))
def test_a_slice_is_that_of_the_list(items: list[int], part: slice) -> None:
    """Slices are lazy too, and of the same items."""
    assert _lazy(items)[part] == [item * 2 for item in items][part]


@given(ITEMS)
def test_where_keeps_what_holds_in_order(items: list[int]) -> None:
    """A selection is lazy too, and may be made of a selection."""
    chosen = _lazy(items).where(lambda item: item > 0).where(lambda item: item % 4 == 0)
    assert chosen == [item * 2 for item in items if item > 0 and item % 2 == 0]


def test_nothing_is_made_before_it_is_asked_for() -> None:
    """Only what is looked at is made, each time anew."""
    made: list[int] = []

    def make(item: int) -> int:
        made.append(item)
        return item

    lazy = LazySequence.over(range(1000), make)
    assert (len(lazy[10:20]), made) == (10, [])
    assert (lazy[-1], lazy[10:20][3], lazy[-1]) == (999, 13, 999)
    assert made == [999, 13, 999]


def test_it_is_no_text() -> None:
    """A text of the same letters is something else."""
    assert LazySequence.over("ab", str) != "ab"
