"""Where a wanted text was not found: what comes closest to it, so that the reader need not search."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.checks.excerpt import LIMIT, around, cut, cut_start, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SEARCHED = 100_000
_WORDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """`clause` ends a sentence, `excerpt` is the part of the text that it speaks of."""

    clause: str
    excerpt: str


def nearest(text: str, wanted: str) -> Nearest:
    """Find what comes closest to a text that does not stand in another one.

    Tried in turn: the same but for case, white space or Unicode form; the longest run of its words; and
    where nothing of it is there, how the text begins. The work is linear in the text.
    """
    if not text.strip():
        return Nearest(clause="there is no text", excerpt="")
    searched = text[:_SEARCHED]
    # The whole text, spelt a little differently.
    for name, fold in _FOLDS:
        if fold(wanted) in fold(searched):
            # Folding may change lengths, and then the place in the folded text is not the place in the text.
            folded = fold(searched)
            shown = searched if len(folded) == len(searched) else folded
            start = folded.index(fold(wanted))
            end = start + len(fold(wanted))
            clause = f"found it but for {name}: {quote(around(shown, start, end=end))}"
            return Nearest(clause=clause, excerpt=around(shown, start, end=end, limit=LIMIT))
    # Some of its words.
    for run in _runs(wanted):
        start = searched.lower().find(run.lower())
        if start >= 0:
            clause = f"closest: {quote(around(searched, start, end=start + len(run)))}"
            return Nearest(clause=clause, excerpt=around(searched, start, end=start + len(run), limit=LIMIT))
    return beginning(text)


def difference(text: str, wanted: str) -> Nearest:
    """Find the first place where a text is not the wanted one."""
    for name, fold in _FOLDS:
        if fold(text) == fold(wanted):
            return Nearest(clause=f"found the same but for {name}: {quote(text)}", excerpt=cut(text))
    if not text:
        return Nearest(clause="there is no text", excerpt="")
    pairs = enumerate(zip(text, wanted, strict=False))
    place = next((index for index, (a, b) in pairs if a != b), min(len(text), len(wanted)))
    found = quote(around(text, place, end=place + 1))
    clause = f"found {found}" if place == 0 else f"found {found}, which differs from character {place + 1} on"
    return Nearest(clause=clause, excerpt=around(text, place, end=place + 1, limit=LIMIT))


def beginning(text: str) -> Nearest:
    """Show how a text begins."""
    if not text.strip():
        return Nearest(clause="there is no text", excerpt="")
    return Nearest(clause=f"it begins {quote(text.lstrip())}", excerpt=cut(text.lstrip()))


def ending(text: str) -> Nearest:
    """Show how a text ends."""
    if not text.strip():
        return Nearest(clause="there is no text", excerpt="")
    return Nearest(clause=f"it ends {quote(cut_start(text.rstrip(), 80))}", excerpt=cut_start(text.rstrip()))


_FOLDS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("upper and lower case (`ignore_case: true` forgives it)", str.casefold),
    ("white space", lambda text: " ".join(text.split())),
    ("the Unicode form of its letters", lambda text: unicodedata.normalize("NFC", text)),
)


def _runs(wanted: str) -> Iterator[str]:
    """Yield the runs of words of a text, the longest first; single letters say nothing."""
    words = wanted.split()[:_WORDS]
    for length in range(len(words), 0, -1):
        for first in range(len(words) - length + 1):
            run = " ".join(words[first : first + length])
            if len(run) > 1:
                yield run
