"""How this room writes to a terminal or a log: when in colour, and never with markup or broken lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

_NARROWEST = 20
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
    """Print lines that are already escaped, unbroken; `lead` is printed before them, alone in the style."""
    from rich.text import Text  # noqa: PLC0415 - heavy, and needed only when something is played

    console.print(Text.assemble((lead, style), line), soft_wrap=True)


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
