"""What the user sees on stderr: progress while a run plays, and the closing block."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.report.run.progress import LineProgress, LiveProgress
from claude_run.report.run.terminal_summary import print_summary
from claude_run.report.text.console import colour_wanted

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.cli.options import RunOptions
    from claude_run.play.ports import Progress
    from claude_run.record.derive import Played
    from claude_run.report.run.facts import RunFacts
    from claude_run.verdict.contest import Contest


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """stderr as the options want it; `verbose` counts the `-v`."""

    color: str = "auto"
    quiet: bool = False
    verbose: int = 0

    @classmethod
    def of(cls, options: RunOptions) -> Terminal:
        """Return the terminal that the options ask for."""
        return cls(color=options.color, quiet=options.quiet, verbose=options.verbose)

    def progress(self) -> Progress:
        """Return a live display on a terminal, else plain lines; nothing with `-q`."""
        if self.quiet:
            return _Silent()
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            return LiveProgress(sys.stderr, colour=self._colour)
        return LineProgress(sys.stderr, colour=self._colour)

    def print_summary(self, played: Played, facts: RunFacts, *, folder: Path) -> None:
        """Print the closing block."""
        print_summary(
            played,
            facts,
            folder=folder,
            stream=sys.stderr,
            colour=self._colour,
            verbose=self.verbose,
            quiet=self.quiet,
        )

    def print_contest(self, contest: Contest) -> None:
        """Print what holding the run against its baseline came to."""
        from claude_run.report.compare.terminal import print_contest  # noqa: PLC0415 - rarely needed

        print_contest(contest, stream=sys.stderr, colour=self._colour, verbose=self.verbose)

    @property
    def _colour(self) -> bool:
        return colour_wanted(self.color, os.environ, isatty=sys.stderr.isatty())


class _Silent:
    """Nobody watches."""

    def begin(self, total: int) -> None: ...

    def in_flight(self, count: int) -> None: ...

    def waiting(self, model: str, seconds: float, reason: str) -> None: ...

    def finished(self, transcript: object) -> None: ...

    def end(self) -> None: ...
