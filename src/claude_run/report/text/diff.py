"""What changed between two texts, word by word: pure pieces, and how a terminal and Markdown show them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, TextIO, TypeAlias

from claude_run.report.text.blocks import truncate
from claude_run.report.text.console import open_console
from claude_run.report.text.safe import fence, safe_terminal
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

DIFF_INDENT = " " * 4

# How a text is taken apart, up to how many characters, and how many of the parts are compared at most.
_GRAINS = ((re.compile(r"\s+|\S+"), 100_000, 4_000), (re.compile(r"[^\n]*\n|[^\n]+"), 2_000_000, 4_000))
_LEAST_SHARED = 0.25
_REVIEWED = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Same:
    """Text that both have."""

    kind: ClassVar[str] = "same"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Text that only the first has."""

    kind: ClassVar[str] = "removed"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Text that only the second has."""

    kind: ClassVar[str] = "added"
    text: str


Piece: TypeAlias = Same | Removed | Added
_MARKS = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
_STYLES = {"same": "", "removed": "red strike", "added": "green"}
_SIGNS = {"same": " ", "removed": "-", "added": "+"}


def diff_words(before: str, after: str) -> tuple[Piece, ...]:
    """Return what changed: `Same` and `Removed` joined are the first text, `Same` and `Added` the second.

    Words and white space are compared, lines where there are too many of them, and texts that are longer
    still, or share less than a quarter of the shorter one, are replaced as a whole.
    """
    whole = _pieces([(before == after, before, after)])
    for pattern, longest, most in _GRAINS:
        if max(len(before), len(after)) > longest:
            continue
        blocks = _blocks(pattern.findall(before), pattern.findall(after), most=most)
        if blocks is not None:
            shared = sum(_ink(old) for same, old, _ in blocks if same)
            alike = shared >= _LEAST_SHARED * min(_ink(before), _ink(after))
            return _pieces(blocks) if alike else whole
    return whole


def condense(pieces: Sequence[Piece], *, context: int, most: int) -> tuple[Piece, ...]:
    """Return pieces to show: of text that is the same no more than `context` characters around a change.

    The pieces end after `most` characters, a removed or added one is cut after half of that.
    """
    shown: list[Piece] = []
    left = most
    for place, piece in enumerate(pieces):
        if left <= 0:
            shown.append(Same(text=f"… ({count(len(pieces) - place, 'more piece')})"))
            break
        if isinstance(piece, Same):
            head = context if place else 0
            tail = context if place < len(pieces) - 1 else 0
            cut: Piece = Same(text=_middle_out(piece.text, head=head, tail=tail))
        else:
            cut = type(piece)(text=truncate(piece.text, min(left, most // 2)))
        left -= len(cut.text)
        shown.append(cut)
    return tuple(shown)


def markdown_diff(pieces: Iterable[Piece]) -> str:
    """Return the pieces as a `diff` fence that no text can close: one line a piece, its sign in front.

    A line break starts another line; blank lines are left out, a change of nothing but white space is named.
    """
    lines: list[str] = []
    for piece in pieces:
        texts = [line.strip() for line in piece.text.split("\n") if line.strip()]
        if not texts and not isinstance(piece, Same):
            texts = ["(white space)"]
        lines.extend(f"{_SIGNS[piece.kind]}{text}" for text in texts)
    # A log trims the space in front of a line before it looks for commands.
    return fence(safe_terminal("\n".join(lines)), "diff")


def print_pieces(pieces: Iterable[Piece], *, console: Console, colour: bool) -> None:
    """Print the pieces as one text behind a bar, marked by colour, or as `[-removed-]` and `{+added+}`."""
    from rich.text import Text  # noqa: PLC0415 - heavy, and needed only when a difference is printed

    line = Text(f"{DIFF_INDENT}| ")
    for piece in pieces:
        opening, closing = ("", "") if colour else _MARKS[piece.kind]
        first, *rest = f"{opening}{safe_terminal(piece.text)}{closing}".split("\n")
        line.append(first, style=_STYLES[piece.kind])
        for text in rest:
            console.print(line, soft_wrap=True)
            line = Text.assemble(f"{DIFF_INDENT}| ", (text, _STYLES[piece.kind]))
    console.print(line, soft_wrap=True)


def print_reply_diff(before: str, after: str, *, stream: TextIO, colour: bool = False) -> None:
    """Print what changed between two replies, in full but for what is longer than a person reads."""
    console = open_console(stream, colour=colour)
    pieces = condense(diff_words(before, after), context=_REVIEWED // 10, most=_REVIEWED)
    if before == after:
        console.print(f"{DIFF_INDENT}(no difference)")
    else:
        print_pieces(pieces, console=console, colour=colour)


_Block: TypeAlias = tuple[bool, str, str]
"""Whether it is the same in both texts, and how it reads in each."""


def _blocks(old: Sequence[str], new: Sequence[str], *, most: int) -> list[_Block] | None:
    """Compare two sequences of parts; None when more than `most` are left between their equal ends."""
    # What both begin and end with needs no comparison, which costs the square of the number of parts.
    head = _shared(old, new)
    tail = _shared(old[head:][::-1], new[head:][::-1])
    olds, news = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(olds), len(news)) > most:
        return None
    start, end = "".join(old[:head]), "".join(old[len(old) - tail :])
    middle = [
        (tag == "equal", "".join(olds[left:left_end]), "".join(news[right:right_end]))
        for tag, left, left_end, right, right_end in SequenceMatcher(None, olds, news).get_opcodes()
    ]
    return [(True, start, start), *middle, (True, end, end)]


def _shared(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many parts the two have in common at their beginning."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(old), len(new)))


def _ink(text: str) -> int:
    """Return how many characters are not white space: spaces alone do not make two texts alike."""
    return sum(map(len, text.split()))


def _pieces(blocks: Sequence[_Block]) -> tuple[Piece, ...]:
    """Join blocks that belong together: a space between two changed words has changed with them."""
    last = len(blocks) - 1
    kept = (
        (same and not (0 < place < last and old.isspace() and "\n" not in old), old, new)
        for place, (same, old, new) in enumerate(blocks)
        if old or new
    )
    pieces: list[Piece] = []
    for same, group in groupby(kept, key=lambda block: block[0]):
        parts = list(group)
        old, new = "".join(part[1] for part in parts), "".join(part[2] for part in parts)
        if same:
            pieces.append(Same(text=old))
            continue
        if old:
            pieces.append(Removed(text=old))
        if new:
            pieces.append(Added(text=new))
    return tuple(pieces)


def _middle_out(text: str, *, head: int, tail: int) -> str:
    """Return the text with its middle cut out, if that makes it shorter."""
    note = f"… ({len(text) - head - tail:,} characters the same) …"
    if len(text) <= head + tail + len(note):
        return text
    return f"{text[:head]}{note}{text[len(text) - tail :]}"
