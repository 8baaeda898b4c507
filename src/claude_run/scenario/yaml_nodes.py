"""The tree that a YAML file is read into: every value and every key with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from claude_run.scenario.model import Json, Position
    from claude_run.scenario.vocabulary import ValuePath


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarNode:
    """A string, number, boolean or null.

    `style` is the opening quote or block indicator, empty for plain scalars; `start` and `end` are the
    indexes in the file of the scalar as it was written, quotes and indicators included.
    """

    position: Position
    value: str | int | float | bool | None
    style: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNode:
    """A sequence."""

    position: Position
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key of a mapping with its value."""

    key: str
    position: Position
    value: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingNode:
    """A mapping; its keys are strings and each occurs once."""

    position: Position
    entries: tuple[Entry, ...]

    def get(self, key: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.key == key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownNode:
    """A value that could not be read; a diagnostic stands for it already, so nothing more is said of it."""

    position: Position


Node: TypeAlias = ScalarNode | ListNode | MappingNode | UnknownNode


def to_json(node: Node) -> Json:
    """Return the value of a node as JSON; null for what could not be read."""
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, ListNode):
        return [to_json(item) for item in node.items]
    if isinstance(node, MappingNode):
        return {entry.key: to_json(entry.value) for entry in node.entries}
    return None


def descend(node: Node, path: ValuePath) -> Node | Entry:
    """Follow keys and indexes as far as they lead.

    The last key gives its `Entry`, so that both the key and the value can be pointed at; where the path
    leads nowhere, the nearest node above is returned.
    """
    found: Node | Entry = node
    for step in path:
        inner = found.value if isinstance(found, Entry) else found
        following = _child(inner, step)
        if following is None:
            return found
        found = following
    return found


def describe(node: Node) -> str:
    """Name the type of a node in words for the user."""
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    value = node.value if isinstance(node, ScalarNode) else None
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "a boolean"
    return "a string" if isinstance(value, str) else "a number"


def _child(node: Node, step: str | int) -> Node | Entry | None:
    if isinstance(node, MappingNode) and isinstance(step, str):
        return node.get(step)
    if isinstance(node, ListNode) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None
