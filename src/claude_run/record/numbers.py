"""Numbers for the conversations of a run, so that what is kept of each needs no name of its own."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NONE = -1
"""What stands in a column where nothing does."""


class Numbers:
    """Gives conversation ids numbers from 0, in the order in which they are first named."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._numbers = {name: number for number, name in enumerate(names)}

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def of(self, name: str) -> int:
        """Return the number of a conversation, a new one where it has none."""
        return self._numbers.setdefault(name, len(self._numbers))

    def known(self, name: str) -> int:
        """Return the number of a conversation; `NONE` where it has none."""
        return self._numbers.get(name, NONE)


class Column:
    """One whole number of each conversation: where something of it lies."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        self._values = array("q")

    def __getitem__(self, name: str) -> int:
        """Return the number that stands there; `NONE` for none."""
        number = self.numbers.known(name)
        return self._values[number] if 0 <= number < len(self._values) else NONE

    def __setitem__(self, name: str, value: int) -> None:
        number = self.numbers.of(name)
        if (missing := number + 1 - len(self._values)) > 0:
            self._values.extend([NONE] * missing)
        self._values[number] = value

    def __iter__(self) -> Iterator[str]:
        """Yield the ids of the conversations that have one, in the order of their numbers."""
        values = zip(self.numbers, self._values, strict=False)
        return (name for name, value in values if value != NONE)
