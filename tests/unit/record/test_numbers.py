"""Columns of numbers by conversation, and the numbers that several of them share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claude_run.record.numbers import NONE, Column, Numbers

NAMES = st.sampled_from("abcdefgh")


@given(st.lists(NAMES, unique=True), st.lists(st.tuples(st.booleans(), NAMES, st.integers(NONE, 2**62))))
def test_columns_hold_what_a_mapping_would(planned: list[str], steps: list[tuple[bool, str, int]]) -> None:
    """Each for itself, though they share the numbers, whoever named a conversation first."""
    numbers = Numbers(planned)
    columns, expected = (Column(numbers), Column(numbers)), (dict[str, int](), dict[str, int]())
    for second, name, value in steps:
        columns[second][name] = value
        expected[second][name] = value
    for column, values in zip(columns, expected, strict=True):
        assert {name: column[name] for name in "abcdefgh"} == {
            name: values.get(name, NONE) for name in "abcdefgh"
        }
        assert set(column) == {name for name, value in values.items() if value != NONE}


def test_numbers_count_from_zero_in_the_order_of_the_names() -> None:
    """A name that is new gets the next one."""
    numbers = Numbers(["b", "a"])
    assert (numbers.of("c"), numbers.of("a"), numbers.known("c"), numbers.known("d")) == (2, 1, 2, NONE)
    assert list(numbers) == ["b", "a", "c"]
