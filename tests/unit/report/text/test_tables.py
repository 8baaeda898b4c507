"""Which columns a table shows."""

from __future__ import annotations

from claude_run.report.text.tables import fitting, without_zeros

TABLE = [
    ["model", "passed", "failed", "in", "cost"],
    ["a", "0", "0", "1,000", "$0"],
    ["b", "0", "-", "2", "$0"],
]


def test_columns_with_nothing_in_them_are_left_out() -> None:
    """But for the first one and those that are always told."""
    assert without_zeros(TABLE, kept={"passed"}) == [
        ["model", "passed", "in"],
        ["a", "0", "1,000"],
        ["b", "0", "2"],
    ]
    assert without_zeros([["model", "in"]]) == [["model"]]


def test_no_more_columns_are_given_up_than_it_takes() -> None:
    """In the order in which they can be spared; names stay, whatever their length."""
    spare = ("in", "gone", "failed", "passed")
    assert fitting(TABLE, width=34, spare=spare) == TABLE
    assert fitting(TABLE, width=33, spare=spare)[0] == ["model", "passed", "failed", "cost"]
    assert fitting(TABLE, width=20, spare=spare)[0] == ["model", "passed", "cost"]
    assert fitting(TABLE, width=1, spare=spare)[0] == ["model", "cost"]
