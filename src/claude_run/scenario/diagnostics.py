"""What is wrong in the user's files, each problem with its place, its source line and a hint."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Literal, TypeAlias

from claude_run.errors import InputError
from claude_run.text.visible import visible, visible_character, width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from claude_run.scenario.model import Position

MAX_SHOWN = 100
"""How many problems the text of one error lists; the others are counted."""

MAX_LINE = 100
"""How many characters of a source line are shown around its problem."""

MAX_WORDS = 500
"""How many characters are shown of a message, a hint or a path: a file may hold a key of a mebibyte."""

_BEFORE = 40
_TAB = "    "
_MAX_KEPT = 2 * MAX_SHOWN
_Rank: TypeAlias = tuple[str, int, int, str]

# How alike two words must be, which words are compared, and of how many candidates.
_CLOSE = 0.6
_MAX_WORD = 100
_MOST = 2000
_FEW = 5

Hint: TypeAlias = "str | Callable[[], str | None] | None"
"""What to do about a problem, or what finds it out: few of very many problems are shown."""


def found_out(hint: Hint) -> str | None:
    """Return a hint in words."""
    return hint() if callable(hint) else hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The part of a source line that is shown of it: `length` characters from `index` are underlined."""

    text: str
    index: int
    length: int
    cut_before: bool
    cut_after: bool

    @classmethod
    def around(
        cls, text: str, index: int, *, start: int = 0, end: int | None = None, length: int = 1
    ) -> Window:
        """Return the window around an index of a text; its line goes from `start` to `end`."""
        last = len(text) if end is None else end
        first = max(start, index - _BEFORE) if last - start > MAX_LINE else start
        stop = min(last, first + MAX_LINE)
        return cls(
            text=text[first:stop],
            index=index - first,
            length=max(0, min(stop, index + length) - index),
            cut_before=first > start,
            cut_after=stop < last,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem, with the part of its line that is shown; a caret underlines its place there."""

    position: Position
    message: str
    hint: str | None = None
    window: Window | None = None

    def __str__(self) -> str:
        return _render(self, "error")


class Problems:
    """Problems as they are found, each once: the first ones by place are kept, the others only counted.

    So a file with a million mistakes costs no more memory than their number.
    """

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        self._kept: list[tuple[_Rank, Diagnostic]] = []
        # What was found is known by its hash alone: two of a million agree once in 10^7 runs.
        self._seen: set[int] = set()
        self._limit: _Rank | None = None
        self.extend(found)

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def shown(self) -> tuple[Diagnostic, ...]:
        """The first `MAX_SHOWN` by path, line and column."""
        self._cut()
        return tuple(problem for _, problem in self._kept)

    def add(self, position: Position, message: str, make: Callable[[], Diagnostic]) -> None:
        """Count a problem, and have it made if it may be shown."""
        rank = (position.path, position.line, position.column, message)
        known = len(self._seen)
        self._seen.add(hash(rank))
        if len(self._seen) > known and (self._limit is None or rank < self._limit):
            self._kept.append((rank, make()))
            if len(self._kept) > _MAX_KEPT:
                self._cut()

    def extend(self, found: Iterable[Diagnostic]) -> None:
        """Add problems that are made already."""
        for problem in found:
            self.add(problem.position, problem.message, lambda problem=problem: problem)  # type: ignore[misc] # mypy cannot infer a lambda with a default

    def merge(self, other: Problems) -> None:
        """Add what another collection holds or has counted."""
        self._kept += [(rank, problem) for rank, problem in other._kept if hash(rank) not in self._seen]
        self._seen |= other._seen
        self._cut()

    def _cut(self) -> None:
        self._kept.sort(key=itemgetter(0))
        if len(self._kept) >= MAX_SHOWN:
            del self._kept[MAX_SHOWN:]
            self._limit = self._kept[-1][0]


class InvalidScenarioError(InputError):
    """The files cannot be used as they are; `diagnostics` are the first of their `problems`, by place."""

    prefix = ""  # each problem says of itself that it is an error

    def __init__(self, problems: Problems | Iterable[Diagnostic]) -> None:
        self.problems = problems if isinstance(problems, Problems) else Problems(problems)
        self.diagnostics = self.problems.shown
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return render(self.problems)

    @property
    def lines(self) -> tuple[str, ...]:
        # No line break of the user's is left in a rendered problem.
        return tuple(str(self).split("\n"))


def render(problems: Problems, *, severity: Literal["error", "warning"] = "error") -> str:
    """Return the problems as text, each with its source line and a caret; after `MAX_SHOWN`, their number."""
    shown = [_render(problem, severity) for problem in problems.shown]
    left = len(problems) - len(shown)
    return "\n\n".join([*shown, f"... and {left:,} more"] if left > 0 else shown)


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that the word is most likely a slip of, or None where none is close.

    Words that are longer than any name are slips of none; of very many candidates the first are compared.
    """
    if not 0 < len(word) <= _MAX_WORD:
        return None
    from rapidfuzz import distance, process  # noqa: PLC0415 - compiled code, and few files have a slip

    # A common subsequence is never shorter than the blocks that difflib counts: whatever is close is among
    # those that have the longest.
    names = {name.lower(): name for name in islice(candidates, _MOST)}
    nearest = process.extract(
        word.lower(),
        names.keys(),
        scorer=distance.Indel.normalized_similarity,
        score_cutoff=_CLOSE,
        limit=_FEW,
    )
    close = difflib.get_close_matches(word.lower(), [found[0] for found in nearest], n=1, cutoff=_CLOSE)
    return names[close[0]] if close else None


def _render(problem: Diagnostic, severity: str) -> str:
    number = str(problem.position.line)
    gutter = " " * (len(number) + 2)
    hint = _words(problem.hint) if problem.hint else None
    place = f"{_words(problem.position.path)}:{problem.position.line}:{problem.position.column}"
    lines = [f"{severity}: {_words(problem.message)}", f"{gutter[:-1]}--> {place}"]
    # Without a source line there is nothing that a caret could stand under.
    if problem.window is None:
        return "\n".join([*lines, f"{gutter}= {hint}"] if hint else lines)
    shown, before, under = _drawn(problem.window)
    caret = " " * before + "^" * under + (f" {hint}" if hint else "")
    return "\n".join([*lines, f"{gutter}|", f" {number} | {shown}".rstrip(), f"{gutter}| {caret}"])


def _words(text: str) -> str:
    return visible(text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}...")


def _drawn(window: Window) -> tuple[str, int, int]:
    """Return a window as it is shown, and the columns before and under its caret."""
    end = window.index + window.length
    before = ("..." if window.cut_before else "") + _show(window.text[: window.index])
    under = _show(window.text[window.index : end])
    shown = before + under + _show(window.text[end:])
    return shown + ("..." if window.cut_after else ""), width(before), max(1, width(under))


def _show(text: str) -> str:
    return "".join(_TAB if character == "\t" else visible_character(character) for character in text)
