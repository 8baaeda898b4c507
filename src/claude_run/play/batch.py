"""Which requests go out together as a batch, and when: decisions without any I/O.

A wave is all that wants to be sent when nobody moves any more: each conversation under way has said what it
would send next, or waits for a batch, or for the budget. It is submitted in as few batches as the limits and
the headers of its requests allow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")

FRAME_BYTES = 128
"""What stands around the parameters of a request in a batch: its id of up to 64 characters, and the frame."""

ID_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What the API takes as one batch (messages-api reference, section 5)."""

    requests: int = 100_000
    size: int = 256_000_000


class Crowd:
    """Counts who moves: the tasks that may yet want to send something before anything else has happened.

    `on_still` is called whenever nobody does. Whoever wakes a task that waits counts it in at once, not when
    it begins to run.
    """

    def __init__(self) -> None:
        self.on_still: Callable[[], None] = lambda: None
        self._moving = 0

    def enter(self, count: int = 1) -> None:
        """Count so many in."""
        self._moving += count

    def leave(self, count: int = 1) -> None:
        """Count so many out."""
        self._moving -= count
        if self._moving == 0:
            self.on_still()


@dataclass(slots=True)
class _Group(Generic[T]):
    items: dict[T, int] = field(default_factory=dict)
    size: int = 0


class Wave(Generic[T]):
    """What waits to be submitted, by the headers that its batch would have; items are hashable and differ."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._groups: dict[tuple[tuple[str, str], ...], _Group[T]] = {}

    def __len__(self) -> int:
        return sum(len(group.items) for group in self._groups.values())

    def __iter__(self) -> Iterator[T]:
        for group in self._groups.values():
            yield from group.items

    def add(self, item: T, *, content_bytes: int, headers: Mapping[str, str]) -> Sequence[T]:
        """Add a request; return the batch that was full without it, or nothing."""
        key = tuple(sorted(headers.items()))
        group = self._groups.setdefault(key, _Group())
        size = content_bytes + FRAME_BYTES
        full: Sequence[T] = ()
        is_full = len(group.items) >= self._limits.requests or group.size + size > self._limits.size
        if group.items and is_full:
            full, group = tuple(group.items), _Group()
            self._groups[key] = group
        group.items[item] = size
        group.size += size
        return full

    def discard(self, item: T) -> None:
        """Take a request out, if it waits."""
        for group in self._groups.values():
            group.size -= group.items.pop(item, 0)

    def close(self) -> Sequence[Sequence[T]]:
        """Return all that waits as batches, in the order in which it came, and begin anew."""
        groups, self._groups = self._groups, {}
        return [tuple(group.items) for group in groups.values() if group.items]


def custom_id(token: str, key: str) -> str:
    """Return the id of a request in its batch: the batch's own token, and as much of the key as fits.

    By the token a batch is known again whose submission nobody lived to see the answer of.
    """
    return f"{token}-{key}"[:ID_CHARACTERS]
