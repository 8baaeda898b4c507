"""The tree that a YAML file is read into, with the way from each value, and each character, to its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.scenario.model import Json, Position
    from claude_run.scenario.source import Source
    from claude_run.scenario.vocabulary import ValuePath

_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r\n|.)", re.DOTALL)
_BLANK_ESCAPES = frozenset("tnvrfe NLP_0ab\t\n\r")


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
        following: Node | Entry | None = None
        if isinstance(inner, MappingNode) and isinstance(step, str):
            following = inner.get(step)
        elif isinstance(inner, ListNode) and isinstance(step, int) and 0 <= step < len(inner.items):
            following = inner.items[step]
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


def locate(source: Source, scalar: ScalarNode, offset: int) -> int:
    """Return the index in the file of a character of a string scalar, given its offset in the string.

    Folding, indentation and escapes change white space only, so the characters that are none correspond one
    to one. For a white-space character, the next one that is none stands in; the start of the scalar is the
    answer where nothing follows.
    """
    value = str(scalar.value)
    nth = sum(not _is_blank(character) for character in value[:offset])
    for count, index in enumerate(_visible_indexes(source.text[scalar.start : scalar.end], scalar.style)):
        if count == nth:
            return scalar.start + index
    return scalar.start


def _is_blank(character: str) -> bool:
    # The C0 characters that `\a`, `\b` and `\e` stand for are counted as blank on both sides.
    return character.isspace() or character < " "


def _visible_indexes(raw: str, style: str) -> Iterator[int]:
    """Yield where the characters of a scalar stand in it as it was written, blank ones left out."""
    # The text of a block begins behind its header, that of a quoted scalar lies between the quotes.
    index, end = 0, len(raw)
    if style in {"|", ">"}:
        header = re.search(r"\r\n|\r|\n", raw)
        index = header.end() if header else end
    elif style:
        index, end = 1, end - 1
    while index < end:
        escape = _ESCAPE.match(raw, index) if style == '"' else None
        if not (_escapes_blank(escape[1]) if escape else _is_blank(raw[index])):
            yield index
        if escape:
            index = escape.end()
        else:
            index += 2 if style == "'" and raw[index] == "'" else 1


def _escapes_blank(escape: str) -> bool:
    if len(escape) > 1 and escape[0] in "xuU":
        return _is_blank(chr(int(escape[1:], 16)))
    return escape[0] in _BLANK_ESCAPES
