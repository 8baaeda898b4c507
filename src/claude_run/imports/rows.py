"""The rows of a JSONL file: one object a line, each with its place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.imports.drafts import position_of_key, unwritable
from claude_run.scenario.yaml_reader import MAX_DEPTH
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from claude_run.imports.losses import Losses
    from claude_run.scenario.json_values import JsonObject
    from claude_run.scenario.model import Position
    from claude_run.scenario.source import Source

MAX_ROWS = 100_000
"""How many rows are read: no run has more conversations."""

# A scenario has levels of its own above what a row holds.
_DEEPEST = MAX_DEPTH - 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One object of a file, the number of its line, and where the line begins and ends."""

    source: Source
    line: int
    start: int
    end: int
    value: JsonObject

    @property
    def position(self) -> Position:
        return self.source.position(self.start)

    def place(self, key: str) -> Position:
        """Return where a key is written for the first time, or where the row begins."""
        return position_of_key(self.source, self.start, self.end, key)


MAX_UNKNOWN = 20
"""How many keys of one row that mean nothing are named; the others are counted."""


def note_unknown(row: Row, keys: Iterable[str], losses: Losses, message: str) -> None:
    """Note keys of a row that mean nothing here; `message` has a `{}` for each."""
    unknown = sorted(set(keys))
    for key in unknown[:MAX_UNKNOWN]:
        losses.drop(row.place(key), key, message.format(f"`{key}`"))
    if (left := len(unknown) - MAX_UNKNOWN) > 0:
        losses.drop(row.position, "keys", message.format(f"each of {left:,} more keys"))


def rows(source: Source, losses: Losses) -> Iterator[Row]:
    """Yield the rows that can be read; each of the others is a loss."""
    number = 0
    for line, text in enumerate(source.lines(), 1):
        if not text.strip():
            continue
        start = source.index(line)
        number += 1
        if number > MAX_ROWS:
            message = f"the file holds more than {MAX_ROWS:,} rows: this one and those below are left out"
            losses.drop(source.position(start), "rows", message, hint="split the file")
            return
        try:
            value = read_json(text, unique_keys=True, deepest=_DEEPEST, most_digits=_MOST_DIGITS)
        except json.JSONDecodeError as error:
            place = source.position(start + min(error.pos, len(text) - 1))
            losses.drop(place, "row", f"this line is not valid JSON: {error.msg}", hint=_ONE_A_LINE)
            continue
        except ValueError as error:
            losses.drop(source.position(start), "row", f"this line cannot be read: {error}", hint=_ONE_A_LINE)
            continue
        if not isinstance(value, dict):
            losses.drop(source.position(start), "row", "this line is not a JSON object", hint=_ONE_A_LINE)
        elif unwritable(value):
            message = "this line holds NUL or half of a surrogate pair, which no scenario can hold"
            losses.drop(source.position(start), "row", message, hint="take the character out of it")
        else:
            yield Row(source=source, line=line, start=start, end=start + len(text), value=value)


_MOST_DIGITS = 18
_ONE_A_LINE = "write one JSON object on each line"
