"""The text of one file, and the way from an index in it to a line and a column."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from dataclasses import dataclass, field

from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError
from claude_run.scenario.model import Position

# What editors count as the end of a line; other Unicode line separators are ordinary characters.
_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text under the path that the user knows it by."""

    path: str
    text: str
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = (0, *(found.end() for found in _BREAK.finditer(self.text)))
        object.__setattr__(self, "_starts", starts)

    def position(self, index: int) -> Position:
        """Return the place of the character at an index; the index after the last one is allowed."""
        line = bisect_right(self._starts, index)
        return Position(path=self.path, line=line, column=index - self._starts[line - 1] + 1)

    def index(self, line: int) -> int:
        """Return the index of the first character of a line, counted from 1; the end for lines beyond it."""
        return self._starts[line - 1] if line <= len(self._starts) else len(self.text)

    def line(self, number: int) -> str:
        """Return a line, counted from 1, without its break; empty where the file has none such."""
        if number > len(self._starts):
            return ""
        start = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def problem(
        self, position: Position, message: str, *, hint: str | None = None, length: int = 1
    ) -> Diagnostic:
        """Return a diagnostic at a place of this file, with its source line."""
        line = self.line(position.line)
        return Diagnostic(position=position, message=message, hint=hint, source_line=line, length=length)


def decode(path: str, data: bytes) -> Source:
    """Return the text of a file, without a byte-order mark; InvalidScenarioError where it is not UTF-8."""
    try:
        return Source(path, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        # The codec counts from behind the byte-order mark.
        body = data.removeprefix(codecs.BOM_UTF8)
        before = Source(path, body[: error.start].decode("utf-8", "replace"))
        position = before.position(len(before.text))
        utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        message = "the file is not UTF-8" + (", but UTF-16" if utf16 else "")
        hint = "save it as UTF-8"
        raise InvalidScenarioError([Diagnostic(position=position, message=message, hint=hint)]) from error
