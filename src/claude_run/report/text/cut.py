"""Text that is made to fit into so many columns of a terminal, and says with an ellipsis that it was."""

from __future__ import annotations

from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ELLIPSIS = "…"

_MARKS = 8
"""Of a text so many characters for each column are looked at, which is enough for letters with accents."""


def columns(text: str) -> int:
    """Return how many columns a text takes at most.

    Terminals differ about letters of several characters, such as a hand with the colour of its skin: some
    show one, some each. A line that is too long for one of them would take two rows there.
    """
    from rich.cells import cell_len  # noqa: PLC0415 - heavy, and needed only on a terminal

    return len(text) if text.isascii() else max(cell_len(text), sum(map(cell_len, text)))


def cut_end(text: str, width: int) -> str:
    """Return a line, or as many of its first words as fit; only one that fills half the room is cut."""
    if columns(text) <= width:
        return text
    if width <= 0:
        return ""
    letters = _letters(text[: _MARKS * width])
    head = _most(letters, width - 2)
    words = (head if text[len(head) :].startswith(" ") else head.rpartition(" ")[0]).rstrip()
    if columns(words) * 2 >= width:
        return f"{words} {ELLIPSIS}"
    return _most(letters, width - 1) + ELLIPSIS


def cut_middle(name: str, width: int) -> str:
    """Return a name, or its beginning and its end as far as they fit: both tell it from others."""
    if columns(name) <= width:
        return name
    if width <= 0:
        return ""
    end = _most(reversed(_letters(name[-_MARKS * width :])), (width - 1) // 2, backwards=True)
    return _most(_letters(name[: _MARKS * width]), width - 1 - columns(end)) + ELLIPSIS + end


def _letters(text: str) -> list[str]:
    """Return the text in pieces between which it may be cut: a letter with what is put on top of it."""
    from rich.cells import cell_len  # noqa: PLC0415 - heavy, and needed only on a terminal

    letters: list[str] = []
    for one in text:
        # What does not make its letter wider belongs to it: an accent, the colour of a hand, half a flag.
        if letters and cell_len(letters[-1] + one) <= cell_len(letters[-1]):
            letters[-1] += one
        else:
            letters.append(one)
    return letters


def _most(letters: Iterable[str], width: int, *, backwards: bool = False) -> str:
    """Return as many of the letters, the first first, as fit."""
    letters = list(letters)
    sizes = takewhile(lambda used: used <= width, accumulate(map(columns, letters)))
    kept = letters[: sum(1 for _ in sizes)]
    return "".join(reversed(kept) if backwards else kept)
