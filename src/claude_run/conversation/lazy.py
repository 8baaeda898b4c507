"""Sequences whose items are made when they are asked for, so that a million of them takes no memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TypeVar, overload

T = TypeVar("T")
U = TypeVar("U")


class LazySequence(Sequence[T]):
    """A sequence that knows how each of its items is made, and holds none of them.

    `make` gets one of the `places`, and must give the same for it each time.
    """

    def __init__(self, make: Callable[[int], T], places: Sequence[int]) -> None:
        self.places = places
        self._make = make

    @classmethod
    def over(cls, items: Sequence[U], make: Callable[[U], T]) -> LazySequence[T]:
        """Return what `make` makes of each of these items."""
        return cls(lambda place: make(items[place]), range(len(items)))

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> LazySequence[T]: ...
    def __getitem__(self, at: int | slice) -> T | LazySequence[T]:
        if isinstance(at, slice):
            return self.at(self.places[at])
        return self._make(self.places[at])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(map(_is_same, self, other))

    __hash__ = None  # type: ignore[assignment] # equal to lists, which have none

    def at(self, places: Sequence[int]) -> LazySequence[T]:
        """Return a sequence of the items at some of the places."""
        return LazySequence(self._make, places)

    def where(self, holds: Callable[[T], bool]) -> LazySequence[T]:
        """Return a sequence of the items that something holds of."""
        return self.at(array("Q", (place for place in self.places if holds(self._make(place)))))


def _is_same(one: object, other: object) -> bool:
    return one == other
