"""Which columns of a table are worth their room: not those that are zero throughout, and no more than fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.report.text.numbers import ABSENT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    Table = Sequence[Sequence[str]]

_NOTHING = frozenset({"0", "$0", ABSENT, ""})


def without_zeros(table: Table, *, kept: Collection[str] = ()) -> list[list[str]]:
    """Return a table, whose first row names the columns, without those in which every other row has nothing.

    The first column stays, and so do those whose names are `kept`.
    """
    names = table[0]
    shown = [
        place
        for place, name in enumerate(names)
        if not place or name in kept or any(row[place] not in _NOTHING for row in table[1:])
    ]
    return [[row[place] for place in shown] for row in table]


def fitting(table: Table, *, width: int, spare: Sequence[str]) -> list[list[str]]:
    """Return a table without as many of the `spare` columns, the first first, as it takes to fit a width.

    Where it is too wide without all of them, the first column is what is too long, and it stays.
    """
    left = [list(row) for row in table]
    for name in spare:
        if _width(left) <= width:
            break
        place = left[0].index(name) if name in left[0] else 0
        left = [[*row[:place], *row[place + 1 :]] for row in left] if place else left
    return left


def _width(table: Table) -> int:
    from rich.cells import cell_len  # noqa: PLC0415 - heavy, and needed only when something was played

    return sum(max(map(cell_len, column)) + 2 for column in zip(*table, strict=True)) - 2
