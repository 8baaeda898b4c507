"""What is wrong in the user's files, each problem with its place, its source line and a hint."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from claude_run.errors import InputError
from claude_run.text.visible import visible, visible_character, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from claude_run.scenario.model import Position

MAX_SHOWN = 100
"""How many problems the text of one error lists; the others are counted."""

MAX_LINE = 100
"""How many characters of a source line are shown around its problem."""

MAX_WORDS = 500
"""How many characters are shown of a message, a hint or a path: a file may hold a key of a mebibyte."""

_BEFORE = 40
_TAB = "    "


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem. `length` counts the characters of `source_line` that the caret underlines."""

    position: Position
    message: str
    hint: str | None = None
    source_line: str | None = None
    length: int = 1

    def __str__(self) -> str:
        return _render(self, "error")


class InvalidScenarioError(InputError):
    """The files cannot be used as they are; `diagnostics` holds every problem, by place, each once."""

    prefix = ""  # each problem says of itself that it is an error

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        unique = dict.fromkeys(diagnostics)
        self.diagnostics = tuple(sorted(unique, key=lambda problem: (problem.position, problem.message)))
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return render(self.diagnostics)

    @property
    def lines(self) -> tuple[str, ...]:
        # No line break of the user's is left in a rendered problem.
        return tuple(str(self).split("\n"))


def render(diagnostics: Sequence[Diagnostic], *, severity: Literal["error", "warning"] = "error") -> str:
    """Return the problems as text, each with its source line and a caret; after `MAX_SHOWN`, their number."""
    shown = [_render(problem, severity) for problem in diagnostics[:MAX_SHOWN]]
    left = len(diagnostics) - MAX_SHOWN
    return "\n\n".join([*shown, f"... and {left} more"] if left > 0 else shown)


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that the word is most likely a slip of, or None where none is close."""
    names = {name.lower(): name for name in candidates}
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return names[close[0]] if close else None


def _render(problem: Diagnostic, severity: str) -> str:
    number = str(problem.position.line)
    gutter = " " * (len(number) + 2)
    hint = _words(problem.hint) if problem.hint else None
    place = f"{_words(problem.position.path)}:{problem.position.line}:{problem.position.column}"
    lines = [f"{severity}: {_words(problem.message)}", f"{gutter[:-1]}--> {place}"]
    # Without a source line there is nothing that a caret could stand under.
    if problem.source_line is None:
        return "\n".join([*lines, f"{gutter}= {hint}"] if hint else lines)
    shown, before, under = _window(problem.source_line, problem.position.column - 1, length=problem.length)
    caret = " " * before + "^" * under + (f" {hint}" if hint else "")
    return "\n".join([*lines, f"{gutter}|", f" {number} | {shown}".rstrip(), f"{gutter}| {caret}"])


def _words(text: str) -> str:
    return visible(text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}...")


def _window(line: str, index: int, *, length: int) -> tuple[str, int, int]:
    """Return the part of a line to show, and the columns before and under its caret."""
    start = max(0, index - _BEFORE) if len(line) > MAX_LINE else 0
    end = min(len(line), start + MAX_LINE)
    before = ("..." if start else "") + _show(line[start:index])
    under = _show(line[index : min(end, index + length)])
    shown = before + under + _show(line[max(index, min(end, index + length)) : end])
    return shown + ("..." if end < len(line) else ""), width(before), max(1, width(under))


def _show(text: str) -> str:
    return "".join(_TAB if character == "\t" else visible_character(character) for character in text)
