"""What is said between the rounds of `--watch`: how things stand, and which keys there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from claude_run.report.text.console import open_console
from claude_run.report.text.numbers import usd
from claude_run.text.visible import count

if TYPE_CHECKING:
    from decimal import Decimal

HELP = (
    "  a, Enter   play all again",
    "  f          play what failed again",
    "  q, Ctrl-D  quit",
    "  h, ?       this list",
    "A save plays the scenarios that the file belongs to. What this session has asked",
    "before is not asked again: only new requests are sent. Ctrl-C stops a round, and",
    "quits while none is played.",
)


def waiting_line(*, files: int, failed: int, spent_usd: Decimal | None) -> str:
    """Return `watching 3 files, $0.0123 spent: f 2 failed, a all, q quit, h help`.

    Nothing is said of money where `spent_usd` is None, nor of failures where there are none.
    """
    spent = "" if spent_usd is None else f", {usd(spent_usd)} spent"
    keys = [*([f"f {failed:,} failed"] if failed else []), "a all", "q quit", "h help"]
    return f"watching {count(files, 'file')}{spent}: {', '.join(keys)}"


def print_waiting(line: str, *, stream: TextIO, colour: bool) -> None:
    """Print a line of ours that nobody has to read."""
    open_console(stream, colour=colour).print(line, style="dim", soft_wrap=True)
