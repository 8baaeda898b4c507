"""What the user sees of a run: progress on stderr while it plays, and then how it ended on stdout."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import tty
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from claude_run.cli.output import print_error
from claude_run.process import is_in_ci
from claude_run.report.run.live import LiveProgress, can_be_drawn_on
from claude_run.report.run.progress import LineProgress, UnseenProgress, begin_line
from claude_run.report.run.terminal_summary import print_summary
from claude_run.report.run.watching import print_waiting
from claude_run.report.text.console import colour_wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.cli.options import OutputOptions
    from claude_run.process import Signals
    from claude_run.report.run.facts import RunFacts
    from claude_run.session.play import RunResult


_AT_ONCE = 1024
_CTRL_D = "\x04"
_PIECE_S = 0.05
_SEQUENCE = re.compile(r"(?s)\x1b\[200~.*?(?:\x1b\[201~|\Z)|\x1b(?:[\[o][0-9;]*[a-z~]?)?")
"""What a key sends that is no character, such as an arrow, and what is pasted; in small letters."""
_UNFINISHED = re.compile(r"(?s)\x1b(?:[\[o][0-9;]*)?\Z|\x1b\[200~(?!.*\x1b\[201~)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The two streams as the options want them; `verbose` counts the `-v`.

    How it ended is told on stdout, or `aside` on stderr where stdout is taken.
    """

    color: str = "auto"
    quiet: bool = False
    verbose: int = 0
    aside: bool = False

    @classmethod
    def of(cls, options: OutputOptions, *, aside: bool = False) -> Terminal:
        """Return the terminal that the options ask for."""
        return cls(color=options.color, quiet=options.quiet, verbose=options.verbose, aside=aside)

    def progress(self) -> LiveProgress | LineProgress | _Silent:
        """Return a live display on a terminal, else plain lines; nothing with `-q`.

        Some CI services run commands in a terminal, and keep all that was ever drawn there: they get lines.
        """
        if self.quiet:
            return _Silent()
        redraws = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not is_in_ci()
        redraws = redraws and can_be_drawn_on(sys.stderr)
        progress = LiveProgress if redraws else LineProgress
        return progress(sys.stderr, colour=self._colour(sys.stderr), each=self.verbose > 0)

    def print_summary(self, result: RunResult, facts: RunFacts) -> None:
        """Print the closing block."""
        print_summary(
            result.played,
            facts,
            folder=result.folder.path,
            stream=self._results,
            colour=self._colour(self._results),
            verbose=self.verbose,
            quiet=self.quiet,
        )

    def print_waiting(self, line: str) -> None:
        """Print a line of ours on how things stand while nothing is played."""
        print_waiting(line, stream=sys.stderr, colour=self._colour(sys.stderr))

    @property
    def _results(self) -> TextIO:
        return sys.stderr if self.aside else sys.stdout

    def _colour(self, stream: TextIO) -> bool:
        return colour_wanted(self.color, os.environ, isatty=stream.isatty())


def ask_key(prompt: str, signals: Signals) -> str:
    """Ask for one key press, and forget those before it; Ctrl-D quits.

    KeyboardInterrupt for a signal. The terminal is left as it was found, whatever ends the wait.
    """
    with signals.raised(), single_keys(signals) as keys:
        print_error(prompt)
        return keys.pressed(None) or "q"


class Keys:
    """The key presses of a terminal that shows none of them; Ctrl-C is a signal as ever."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._keys = deque[str]()

    def forget(self) -> None:
        """Drop what was typed until now."""
        self._keys.clear()
        with suppress(termios.error):  # a terminal that is gone: whoever reads is told
            tty.setcbreak(self._descriptor)

    def pressed(self, within_s: float | None) -> str:
        """Wait for a key, at most so many seconds or without end, and return it, a small letter.

        It is empty where none came in time, and for keys that are no character, and what is pasted. Ctrl-D,
        and the end of the terminal, is `q`.
        """
        if not self._keys and self._comes(within_s):
            typed = self._read()
            # What one key sends may come in pieces.
            while _UNFINISHED.search(typed) and self._comes(_PIECE_S):
                typed += self._read()
            self._keys.extend(_SEQUENCE.sub("", typed).replace(_CTRL_D, "q"))
        return self._keys.popleft() if self._keys else ""

    def _comes(self, within_s: float | None) -> bool:
        return bool(select.select([self._descriptor], [], [], within_s)[0])

    def _read(self) -> str:
        came = b""
        with suppress(OSError):  # how Linux says that the terminal is gone
            came = os.read(self._descriptor, _AT_ONCE)
        return came.decode("ascii", "replace").lower() or _CTRL_D


@contextmanager
def single_keys(signals: Signals) -> Iterator[Keys]:
    """Take key presses as they come while the block runs, and forget those before it.

    The terminal is left as it was found, whatever ends the block, be it a signal that ends the process.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def undo(when: int = termios.TCSANOW) -> None:
        with suppress(termios.error):  # nobody sits before a terminal that is gone
            termios.tcsetattr(descriptor, when, before)

    with signals.undoing(undo):
        try:
            tty.setcbreak(descriptor)
            yield Keys(descriptor)
        finally:
            undo(termios.TCSADRAIN)


class _Silent(UnseenProgress):
    """Says only what must be said."""

    def notify(self, line: str) -> None:
        begin_line(sys.stderr)
        print_error(line)
