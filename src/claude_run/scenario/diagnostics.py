"""What is wrong in the user's files, each problem with its place, its source line and a hint."""

from __future__ import annotations

import difflib
from bisect import insort
from dataclasses import dataclass
from itertools import islice, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Literal, TypeAlias

from claude_run.errors import InputError
from claude_run.text.visible import count, visible, visible_character, width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from claude_run.scenario.model import Position

MAX_SHOWN = 100
"""How many problems in different words the text of one error lists; the others are counted."""

MAX_LINE = 100
"""How many characters of a source line are shown around its problem."""

MAX_WORDS = 500
"""How many characters are shown of a message, a hint or a path: a file may hold a key of a mebibyte."""

_BEFORE = 40
_TAB = "    "
_MAX_KEPT = 2 * MAX_SHOWN
_MAX_PLACES = 6
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


class ProblemGroup:
    """Problems in the same words: the first by place are `kept` in order, the hashes of all are `seen`."""

    def __init__(self) -> None:
        self.kept: list[tuple[_Rank, Diagnostic]] = []
        self.seen: set[int] = set()

    def __len__(self) -> int:
        return len(self.seen)

    @property
    def first(self) -> _Rank:
        return self.kept[0][0]

    @property
    def problem(self) -> Diagnostic:
        """The first of them by place."""
        return self.kept[0][1]

    def add(self, rank: _Rank, make: Callable[[], Diagnostic]) -> None:
        self.seen.add(hash(rank))
        if len(self.kept) < _MAX_PLACES or rank < self.kept[-1][0]:
            insort(self.kept, (rank, make()), key=itemgetter(0))
            del self.kept[_MAX_PLACES:]

    def merge(self, other: ProblemGroup) -> None:
        """Add those of another group, whether they are known already or not."""
        for rank, problem in other.kept:
            if hash(rank) not in self.seen:
                self.add(rank, lambda problem=problem: problem)  # type: ignore[misc] # mypy cannot infer a lambda with a default
        self.seen |= other.seen


class Problems:
    """Problems as they are found, each once: the first ones by place are kept, the others only counted.

    Those in the same words are one group, so that none hides the others. A file with a million mistakes costs
    no more memory than their number.
    """

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        self._groups: dict[str, ProblemGroup] = {}
        # What was found is known by its hash alone: two of a million agree once in 10^7 runs. Each hash is
        # kept once: by its group, or here where that is not kept.
        self._ungrouped: set[int] = set()
        self._limit: _Rank | None = None
        self.extend(found)

    def __len__(self) -> int:
        return len(self._ungrouped) + sum(map(len, self._groups.values()))

    @property
    def shown(self) -> tuple[Diagnostic, ...]:
        """The first `MAX_SHOWN` by path, line and column, and of those in the same words the first few."""
        kept = (each for group in self.groups for each in group.kept)
        return tuple(problem for _, problem in sorted(kept, key=itemgetter(0)))[:MAX_SHOWN]

    @property
    def groups(self) -> Sequence[ProblemGroup]:
        """The problems by their words: the first `MAX_SHOWN` of those by place."""
        self._cut()
        return tuple(self._groups.values())

    def add(self, position: Position, message: str, make: Callable[[], Diagnostic]) -> None:
        """Count a problem, and have it made if it may be shown."""
        rank = (position.path, position.line, position.column, message)
        number = hash(rank)
        group = self._groups.get(message)
        if number in self._ungrouped or (group is not None and number in group.seen):
            return
        if group is None:
            if self._limit is not None and rank >= self._limit:
                self._ungrouped.add(number)
                return
            group = self._groups[message] = ProblemGroup()
        group.add(rank, make)
        if len(self._groups) > _MAX_KEPT:
            self._cut()

    def extend(self, found: Iterable[Diagnostic]) -> None:
        """Add problems that are made already."""
        for problem in found:
            self.add(problem.position, problem.message, lambda problem=problem: problem)  # type: ignore[misc] # mypy cannot infer a lambda with a default

    def merge(self, other: Problems) -> None:
        """Add what another collection holds or has counted."""
        for message, group in other._groups.items():
            self._groups.setdefault(message, ProblemGroup()).merge(group)
        self._ungrouped |= other._ungrouped
        for group in self._groups.values():
            self._ungrouped -= group.seen
        self._cut()

    def _cut(self) -> None:
        """Put the groups in the order of their first places, and let go of those that cannot be shown."""
        ordered = sorted(self._groups.items(), key=lambda item: item[1].first)
        if len(ordered) >= MAX_SHOWN:
            for _, group in ordered[MAX_SHOWN:]:
                self._ungrouped |= group.seen
            del ordered[MAX_SHOWN:]
            self._limit = ordered[-1][1].first
        self._groups = dict(ordered)


class InvalidScenarioError(InputError):
    """The files cannot be used as they are; `diagnostics` are the first of their `problems`, by place.

    `files` are those that scenarios name, as far as these could be read: one of them may mend it.
    """

    prefix = ""  # each problem says of itself that it is an error

    def __init__(
        self, problems: Problems | Iterable[Diagnostic], *, files: frozenset[Path] = frozenset()
    ) -> None:
        self.files = files
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
    """Return the problems as text, in at most `MAX_SHOWN` blocks, and how many are left.

    Those with the same words and hint are one block: its first place with the source line and a caret, and
    where the others are.
    """
    blocks: list[tuple[_Rank, int, str]] = []
    for group in problems.groups:
        by_hint: dict[str | None, list[tuple[_Rank, Diagnostic]]] = {}
        for rank, problem in group.kept:
            by_hint.setdefault(problem.hint, []).append((rank, problem))
        uncounted = len(group) - len(group.kept)
        for (rank, first), *others in by_hint.values():
            text = _render(first, severity, [problem.position for _, problem in others], more=uncounted)
            blocks.append((rank, 1 + len(others) + uncounted, text))
            uncounted = 0
    shown = sorted(blocks)[:MAX_SHOWN]
    left = len(problems) - sum(number for _, number, _ in shown)
    texts = [text for *_, text in shown]
    return "\n\n".join([*texts, f"... and {left:,} more"] if left > 0 else texts)


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


def _render(problem: Diagnostic, severity: str, others: Sequence[Position] = (), *, more: int = 0) -> str:
    """Return a block; `others` are places of the same problem, and there are so many `more`."""
    number = str(problem.position.line)
    gutter = " " * (len(number) + 2)
    hint = _words(problem.hint) if problem.hint else None
    place = f"{_words(problem.position.path)}:{problem.position.line}:{problem.position.column}"
    lines = [f"{severity}: {_words(problem.message)}", f"{gutter[:-1]}--> {place}"]
    # Without a source line there is nothing that a caret could stand under.
    if problem.window is None:
        lines += [f"{gutter}= {hint}"] if hint else []
    else:
        shown, before, under = _drawn(problem.window)
        caret = " " * before + "^" * under + (f" {hint}" if hint else "")
        lines += [f"{gutter}|", f" {number} | {shown}".rstrip(), f"{gutter}| {caret}"]
    if others:
        lines.append(f"{gutter}= also at {_places(problem.position, others)}")
        lines[-1] += f" and {count(more, 'more place')}" if more else ""
    return "\n".join(lines)


def _places(first: Position, others: Sequence[Position]) -> str:
    """Return places as `line:column`, with the path where it is another than before."""
    texts = []
    for before, each in pairwise((first, *others)):
        path = "" if each.path == before.path else f"{_words(each.path)}:"
        texts.append(f"{path}{each.line}:{each.column}")
    return ", ".join(texts)


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
