"""Markdown tables, and the shape of a field that the reference describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A key of a JSON object that a run leaves behind: its name, its JSON type, what it tells."""

    name: str
    type: str
    about: str


def fields(text: str) -> tuple[Field, ...]:
    """Read one field a line: name, type and meaning, separated by semicolons."""
    rows: Sequence[Sequence[str]] = [line.split("; ", 2) for line in text.strip().splitlines()]
    return tuple(Field(name=name.strip(), type=kind, about=about) for name, kind, about in rows)


def names(described: Iterable[Field]) -> list[str]:
    """Return the keys of an object as they are documented, in order."""
    return [field.name for field in described]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a `|` inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def field_table(described: Iterable[Field]) -> str:
    """Return the table of an object's fields."""
    rows = ([f"`{field.name}`", field.type, field.about] for field in described)
    return table(["field", "type", "meaning"], rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
