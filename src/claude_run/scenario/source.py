"""The text of one file, and the way from an index in it to a line and a column."""

from __future__ import annotations

import codecs
import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError, Window, found_out
from claude_run.scenario.model import Position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.scenario.diagnostics import Hint, Problems

# Other Unicode line separators are ordinary characters.
_BREAK = re.compile("\n")


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text under the path that the user knows it by."""

    path: str
    text: str
    _starts: array[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # An array, not a tuple: of a file of blank lines it takes eight bytes a line.
        starts = array("Q", [0])
        starts.extend(found.end() for found in _BREAK.finditer(self.text))
        object.__setattr__(self, "_starts", starts)

    def position(self, index: int) -> Position:
        """Return the place of the character at an index; the index after the last one is allowed."""
        line = bisect_right(self._starts, index)
        return Position(path=self.path, line=line, column=index - self._starts[line - 1] + 1)

    def index(self, line: int) -> int:
        """Return the index of the first character of a line, counted from 1; the end for lines beyond it."""
        return self._starts[line - 1] if line <= len(self._starts) else len(self.text)

    def index_of(self, position: Position) -> int:
        """Return the index of the character at a place of this file."""
        return self.index(position.line) + position.column - 1

    def line(self, number: int) -> str:
        """Return a line, counted from 1, without its break; empty where the file has none such."""
        start, end = self._bounds(number)
        return self.text[start:end]

    def lines(self) -> Iterator[str]:
        """Yield the lines in order, each with its break."""
        for number, start in enumerate(self._starts, 1):
            yield self.text[start : self.index(number + 1)]

    def problem(
        self, position: Position, message: str, *, hint: str | None = None, length: int = 1
    ) -> Diagnostic:
        """Return a diagnostic at a place of this file, with a window of its line."""
        start, end = self._bounds(position.line)
        window = Window.around(
            self.text, min(end, start + position.column - 1), start=start, end=end, length=length
        )
        return Diagnostic(position=position, message=message, hint=hint, window=window)

    def report(
        self, problems: Problems, position: Position, message: str, *, hint: Hint = None, length: int = 1
    ) -> None:
        """Add a problem at a place of this file; a hint that must be found out is so only to be shown."""
        problems.add(
            position,
            message,
            lambda: self.problem(position, message, hint=found_out(hint), length=length),
        )

    def _bounds(self, number: int) -> tuple[int, int]:
        """Return the indexes where a line begins and ends, its break left out."""
        start, end = self.index(number), self.index(number + 1)
        while end > start and self.text[end - 1] in "\r\n":
            end -= 1
        return start, end


def with_lf(text: str) -> str:
    """Return a text with LF at the end of each line, in place of CR LF or CR."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def decode(path: str, data: bytes) -> Source:
    """Return the text of a file, without a byte-order mark; InvalidScenarioError where it is not UTF-8.

    Whatever ends its lines becomes LF, as YAML has it: a repository says the same on every machine.
    """
    try:
        return Source(path, with_lf(data.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        # The codec counts from behind the byte-order mark.
        body = data.removeprefix(codecs.BOM_UTF8)
        before = Source(path, body[: error.start].decode("utf-8", "replace"))
        position = before.position(len(before.text))
        utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        message = "the file is not UTF-8" + (", but UTF-16" if utf16 else "")
        hint = "save it as UTF-8"
        raise InvalidScenarioError([Diagnostic(position=position, message=message, hint=hint)]) from error
