"""How this room writes to a terminal or a log: when in colour, and never with markup or broken lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TextIO

from claude_run.report.text.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

_NARROWEST = 20
_WORD = re.compile(r"([ \t]*)(\S+)")
_BAR = re.compile(r"( *(?:[a-z]+(?: \d+)?)? *)\| ")
_WIDTH = 200
"""Of a stream that is not a terminal: fixed, so that a log does not depend on who reads it."""


def colour_wanted(flag: str, env: Mapping[str, str], *, isatty: bool) -> bool:
    """Return whether to write in colour.

    `flag` is the value of `--color`: `always` and `never` decide. With `auto`, `NO_COLOR` (no-color.org:
    non-empty) says no, then `FORCE_COLOR` and `CLICOLOR_FORCE` (non-empty and not `0`) say yes, then a
    terminal whose `TERM` is not `dumb` says yes.
    """
    if flag in {"always", "never"}:
        return flag == "always"
    if env.get("NO_COLOR"):
        return False
    if any(env.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return isatty and env.get("TERM") != "dumb"


def open_console(stream: TextIO, *, colour: bool) -> Console:
    """Return a console that writes to the stream and takes no advice from the environment on colour."""
    from rich.console import Console  # noqa: PLC0415 - heavy, and needed only when something is played

    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal or colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        width=None if terminal else _WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )


def print_escaped(console: Console, line: str, *, lead: str = "", style: str = "") -> None:
    """Print lines that are already escaped; `lead` is printed before them, alone in the style.

    A terminal gets them broken between words; a word that is longer than it is wide stays whole, so that it
    can be copied. A file or a pipe gets them as they are.
    """
    from rich.text import Text  # noqa: PLC0415 - heavy, and needed only when something is played

    text = Text.assemble((lead, style), line)
    if not console.file.isatty():
        console.print(text, soft_wrap=True)
        return
    for each in text.split("\n", allow_blank=True):
        whole = each.plain
        behind = _behind(whole, lead.lstrip("\n"))
        first, *others = each.divide(_breaks(whole, console.width, indent=len(behind)))
        first.rstrip()
        console.print(first, soft_wrap=True)
        for other in others:
            # What has become the beginning of a line may be a command only now.
            console.print(Text(behind + safe_line(other.plain.rstrip(" "))), soft_wrap=True)


def _behind(line: str, lead: str) -> str:
    """Return what stands before the continuation of a line: a bar below a bar, else an indentation."""
    if bar := _BAR.match(line):
        return f"{' ' * len(bar[1])}| "
    if lead.endswith(" ") and line.startswith(lead):
        return " " * len(lead)
    return " " * (len(line) - len(line.lstrip(" ")) + 2)


def _breaks(line: str, width: int, *, indent: int) -> list[int]:
    """Return where a line is broken: before each word that does not fit behind those before it."""
    from rich.cells import cell_len  # noqa: PLC0415 - heavy, and needed only when something is shown

    places: list[int] = []
    if cell_len(line) <= width:
        return places
    start, used = 0, 0
    for number, word in enumerate(_WORD.finditer(line)):
        # Of the words of a line only the one that comes is measured.
        size = cell_len(line[max(start, word.start(1)) : word.end(2)])
        if used + size > width and number and word.start(2) > start:
            places.append(word.start(2))
            start, used = word.start(2), indent + cell_len(word[2])
        else:
            used += size
    return places


def wrapped(console: Console, line: str, *, less: int = 0) -> Sequence[str]:
    """Return a line as those, one or more, that fit a terminal with `less` columns taken, words whole.

    Where nobody looks, in a file or a pipe, it stays as it is.
    """
    from rich.text import Text  # noqa: PLC0415 - heavy, and needed only when something is shown

    if not console.file.isatty():
        return (line,)
    room = max(_NARROWEST, console.width - less)
    return [part.plain.rstrip() for part in Text(line).wrap(console, room)] or [""]


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows as columns, the first to the left and the others, numbers mostly, to the right."""
    from rich.cells import cell_len  # noqa: PLC0415 - heavy, and needed only when something was played

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        gaps = [" " * (width - cell_len(cell)) for width, cell in zip(widths, row, strict=True)]
        yield "  ".join(
            [row[0] + gaps[0], *(gap + cell for gap, cell in zip(gaps[1:], row[1:], strict=True))]
        )
