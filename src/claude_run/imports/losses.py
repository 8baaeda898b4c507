"""What of another tool's file a scenario cannot say, each with its place, its line and what to do instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from claude_run.scenario.diagnostics import Diagnostic, Problems
from claude_run.scenario.model import Position
from claude_run.scenario.yaml_tree import Entry, ScalarNode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.json_values import JsonObject
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_tree import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Something that was not carried over as it is.

    `dropped`: nothing in the scenarios stands for it. `changed`: what stands for it means something near.
    `key` is the key or the word that it is about; the position counts lines and columns from 1.
    """

    kind: Literal["dropped", "changed"]
    position: Position
    key: str
    message: str
    hint: str | None

    def as_json(self) -> JsonObject:
        """Return it as data, `file`, `line` and `column` for its place."""
        return {
            "kind": self.kind,
            "file": self.position.path,
            "line": self.position.line,
            "column": self.position.column,
            "key": self.key,
            "message": self.message,
            "hint": self.hint,
        }


class Losses:
    """The losses of one import, each once."""

    def __init__(self) -> None:
        self._found: dict[Loss, int] = {}
        self._sources: dict[str, Source] = {}
        self._secret: set[tuple[str, int]] = set()

    @property
    def found(self) -> Sequence[Loss]:
        """All of them as data, by their places."""
        return tuple(sorted(self._found, key=_rank))

    @property
    def problems(self) -> Problems:
        """All of them, as they are shown; a line that holds a secret is not."""
        problems = Problems()
        for loss, length in self._found.items():
            words = f"{loss.message} ({loss.kind})"
            if (loss.position.path, loss.position.line) in self._secret:
                problems.extend([Diagnostic(position=loss.position, message=words, hint=loss.hint)])
            else:
                source = self._sources[loss.position.path]
                source.report(problems, loss.position, words, hint=loss.hint, length=length)
        return problems

    def know(self, source: Source) -> Source:
        """Take note of a file whose lines are to be shown, and return it."""
        self._sources[source.path] = source
        return source

    def hide(self, place: Position | Node | Entry) -> None:
        """Have the line of a place not shown: a secret may stand there."""
        self._secret.add((_position(place).path, _position(place).line))

    def drop(
        self, place: Position | Node | Entry, key: str, message: str, *, hint: str | None = None
    ) -> None:
        """Note that something is not carried over."""
        self._add(Loss(kind="dropped", position=_position(place), key=key, message=message, hint=hint), place)

    def change(
        self, place: Position | Node | Entry, key: str, message: str, *, hint: str | None = None
    ) -> None:
        """Note that something else, which is near to it, stands in the scenarios."""
        self._add(Loss(kind="changed", position=_position(place), key=key, message=message, hint=hint), place)

    def _add(self, loss: Loss, place: Position | Node | Entry) -> None:
        length = len(loss.key) if isinstance(place, Entry) else 1
        if isinstance(place, ScalarNode):
            length = max(1, place.end - place.start)
        self._found.setdefault(loss, length)


def _rank(loss: Loss) -> tuple[str, int, int, str]:
    return loss.position.path, loss.position.line, loss.position.column, loss.message


def _position(place: Position | Node | Entry) -> Position:
    return place if isinstance(place, Position) else place.position
