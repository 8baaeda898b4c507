"""The tree that a YAML file is read into, with the way from each value, and each character, to its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Position
    from claude_run.scenario.source import Source
    from claude_run.scenario.vocabulary import ValuePath

CUT_OFF = re.compile(r"[ \t]+(#[^\s#]\S*)")
"""What cuts a plain text off on its line, though no comment begins so where one is meant."""

_FEW = 16
_BLOCKS = frozenset("|>")
_BLANK_ESCAPES = frozenset("tnvrfe NLP_0ab\t\n\r")
# Runs of characters that are not blank. The C0 characters that `\a`, `\b` and `\e` stand for count as blank,
# both as they are and as escapes. Two single quotes stand for one.
_VISIBLE = re.compile(r"[^\s\x00-\x1f]+")
_VISIBLE_QUOTED = {
    "'": re.compile(r"''|[^\s\x00-\x1f']+"),
    '"': re.compile(
        r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r\n|.)|[^\s\x00-\x1f\\]+", re.DOTALL
    ),
}


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
    _by_key: dict[str, Entry] | None = field(default=None, init=False, repr=False, compare=False)

    def get(self, key: str) -> Entry | None:
        if len(self.entries) <= _FEW:
            return next((entry for entry in self.entries if entry.key == key), None)
        # A large mapping may be asked for each of its keys.
        if self._by_key is None:
            object.__setattr__(self, "_by_key", {entry.key: entry for entry in self.entries})
        return self._by_key.get(key) if self._by_key else None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownNode:
    """A value that could not be read; a diagnostic stands for it already, so nothing more is said of it."""

    position: Position


Node: TypeAlias = ScalarNode | ListNode | MappingNode | UnknownNode


def to_json(node: Node) -> Json:
    """Return the value of a node as JSON; null for what could not be read."""
    return _to_json(node, lambda scalar: scalar.value)


def to_looked_for(node: Node) -> Json:
    """Return the value of a node as JSON, for what a reply is held against.

    The line break that a block (`|`) ends in is YAML's own: who looks for a text in a block means its words.
    """
    return _to_json(node, _without_break)


def _to_json(node: Node, scalar_value: Callable[[ScalarNode], Json]) -> Json:
    if isinstance(node, ScalarNode):
        return scalar_value(node)
    if isinstance(node, ListNode):
        return [_to_json(item, scalar_value) for item in node.items]
    if isinstance(node, MappingNode):
        return {entry.key: _to_json(entry.value, scalar_value) for entry in node.entries}
    return None


def _without_break(scalar: ScalarNode) -> Json:
    if scalar.style in _BLOCKS and isinstance(scalar.value, str):
        return scalar.value.removesuffix("\n")
    return scalar.value


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


def cut_off(rest: str) -> tuple[str, str]:
    """Return what to say of a plain value that a `#` cuts off, and what to do about it."""
    message = f"the text ends here: ` {rest}` is a comment in YAML"
    return message, "use single quotes around the text; a comment has a space behind the `#`"


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


def locate(source: Source, scalar: ScalarNode, offsets: Sequence[int]) -> Sequence[int]:
    """Return the indexes in the file of characters of a string scalar, given their offsets in the string.

    Folding, indentation and escapes change white space only, so the characters that are none correspond one
    to one. For a white-space character, the next one that is none stands in; the start of the scalar is the
    answer where nothing follows.
    """
    # How many visible characters come before each offset, then where those of that number were written.
    runs = ((found.start(), found.end()) for found in _VISIBLE.finditer(str(scalar.value)))
    numbers: dict[int, int] = {}
    start = end = before = 0
    for offset in sorted(set(offsets)):
        while end <= offset:
            before += end - start
            start, end = next(runs, (offset + 1, offset + 1))
        numbers[offset] = before + max(0, offset - start)

    written = _visible_runs(source.text[scalar.start : scalar.end], scalar.style)
    indexes: dict[int, int] = {}
    index = length = before = 0
    for offset, number in numbers.items():
        while index >= 0 and before + length <= number:
            before += length
            index, length = next(written, (-1, 0))
        indexes[offset] = scalar.start + (index + number - before if index >= 0 else 0)
    return [indexes[offset] for offset in offsets]


def _visible_runs(raw: str, style: str) -> Iterator[tuple[int, int]]:
    """Yield where characters of a scalar stand in it as it was written, and how many; blank ones left out."""
    # The text of a block begins behind its header, that of a quoted scalar lies between the quotes.
    first, last = 0, len(raw)
    if style in _BLOCKS:
        header = re.search(r"\r\n|\r|\n", raw)
        first = header.end() if header else last
    elif style:
        first, last = 1, last - 1
    for found in _VISIBLE_QUOTED.get(style, _VISIBLE).finditer(raw, first, last):
        if found[0] == "''" and style == "'":
            yield found.start(), 1
        elif style != '"' or found[1] is None:
            yield found.start(), len(found[0])
        elif not _escapes_blank(found[1]):
            yield found.start(), 1


def _escapes_blank(escape: str) -> bool:
    if len(escape) > 1 and escape[0] in "xuU":
        return not _VISIBLE.match(chr(int(escape[1:], 16)))
    return escape[0] in _BLANK_ESCAPES
