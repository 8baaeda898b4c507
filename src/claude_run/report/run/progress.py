"""Progress while a run is played: plain lines for logs, a live display for terminals.

Both satisfy the Protocol `Progress` of play: `begin(total)`, `in_flight(count)`,
`waiting(model, seconds, reason)`, `finished(transcript)`, `end()`.
"""

from __future__ import annotations

import time
from decimal import Decimal
from threading import Event, Thread
from typing import TYPE_CHECKING, TextIO

from claude_run.conversation.results import Outcome
from claude_run.report.run.outcome_line import INDENT, outcome_line, outcome_word, reason_line
from claude_run.report.text.blocks import truncate
from claude_run.report.text.console import open_console, print_escaped
from claude_run.report.text.numbers import seconds, tokens, usd
from claude_run.report.text.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from claude_run.conversation.transcript import Transcript

_BAR = 20


class Tally:
    """What is known of a run while it is played."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.total = 0
        self.flying = 0
        self.outcomes = dict.fromkeys(Outcome, 0)
        self.tokens_in = 0
        self.tokens_out = 0
        self.cost = Decimal(0)
        self.unpriced = False
        self._began = clock()

    def begin(self, total: int) -> None:
        self.total = total
        self._began = self.clock()

    def add(self, transcript: Transcript) -> None:
        self.outcomes[transcript.outcome] += 1
        self.tokens_in += transcript.usage.input_total
        self.tokens_out += transcript.usage.output_tokens
        self.cost += transcript.cost_usd or 0
        self.unpriced = self.unpriced or transcript.cost_usd is None

    @property
    def done(self) -> int:
        return sum(self.outcomes.values())

    def counts(self) -> str:
        """Return `12/40 done  9 passed  2 failed  1 errored`."""
        shown = [f"{self.outcomes[outcome]:,} {outcome}" for outcome in Outcome if outcome != "skipped"]
        return "  ".join([f"{self.done:,}/{self.total:,} done", *shown])

    def spent(self) -> str:
        """Return `3 in flight  12,345 in / 3,456 out  $0.0123  2 min 5 s`."""
        cost = usd(self.cost) + (" + unpriced" if self.unpriced else "")
        used = f"{tokens(self.tokens_in)} in / {tokens(self.tokens_out)} out"
        return "  ".join([f"{self.flying:,} in flight", used, cost, seconds(self.clock() - self._began)])


class LineProgress:
    """One plain line per finished conversation, its reason under it, and a sign of life each 30 seconds.

    `clock` counts seconds; `heartbeat_s` is the time between two signs of life.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        colour: bool = False,
        clock: Callable[[], float] = time.monotonic,
        heartbeat_s: float = 30.0,
    ) -> None:
        self._console = open_console(stream, colour=colour)
        self._tally = Tally(clock)
        self._heartbeat_s = heartbeat_s
        self._next_beat = 0.0
        self._waits: dict[str, float] = {}
        self._over = Event()
        self._heart: Thread | None = None

    def begin(self, total: int) -> None:
        self._tally.begin(total)
        self._next_beat = self._tally.clock() + self._heartbeat_s
        self._over.clear()
        self._heart = Thread(target=self._live, name="heartbeat", daemon=True)
        self._heart.start()

    def in_flight(self, count: int) -> None:
        self._tally.flying = count

    def waiting(self, model: str, seconds: float, reason: str) -> None:
        """Print a wait, but not those of the same model that fall into it: many conversations share them."""
        now = self._tally.clock()
        if self._waits.get(model, now) > now:
            return
        self._waits[model] = now + seconds
        print_escaped(self._console, _waiting(model, seconds, reason=reason), lead=f"{'WAIT':<{len(INDENT)}}")

    def finished(self, transcript: Transcript) -> None:
        self._tally.add(transcript)
        print_finished(self._console, transcript)

    def tick(self) -> None:
        """Print the sign of life where it is due; called by a thread of this object once a second."""
        now = self._tally.clock()
        if now >= self._next_beat:
            self._next_beat = now + self._heartbeat_s
            print_escaped(
                self._console,
                f"{self._tally.counts()}  {self._tally.spent()}",
                lead=f"{'...':<{len(INDENT)}}",
            )

    def end(self) -> None:
        self._over.set()
        if self._heart is not None:
            self._heart.join()

    def _live(self) -> None:
        while not self._over.wait(min(1.0, self._heartbeat_s)):
            self.tick()


class LiveProgress:
    """A display that is redrawn in place and vanishes at the end; what did not pass is printed above it."""

    def __init__(
        self, stream: TextIO, *, colour: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = open_console(stream, colour=colour)
        self._tally = Tally(clock)
        self._waits: dict[str, tuple[float, str]] = {}
        self._live: Live | None = None

    def begin(self, total: int) -> None:
        from rich.live import Live  # noqa: PLC0415 - heavy, and needed only on a terminal

        self._tally.begin(total)
        self._live = Live(
            console=self._console,
            get_renderable=self.display,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def in_flight(self, count: int) -> None:
        self._tally.flying = count

    def waiting(self, model: str, seconds: float, reason: str) -> None:
        self._waits[model] = (self._tally.clock() + seconds, reason)

    def finished(self, transcript: Transcript) -> None:
        self._tally.add(transcript)
        if transcript.outcome is not Outcome.PASSED:
            print_finished(self._console, transcript)

    def end(self) -> None:
        if self._live is not None:
            self._live.stop()

    def display(self) -> Text:
        """Return what stands on the terminal now: a bar with counts, what was spent, and who is waiting."""
        from rich.text import Text  # noqa: PLC0415 - heavy, and needed only on a terminal

        tally, now = self._tally, self._tally.clock()
        filled = _BAR * tally.done // max(tally.total, 1)
        waits = [
            _waiting(model, until - now, reason=reason)
            for model, (until, reason) in tuple(self._waits.items())
            if until > now
        ]
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("━" * filled, style="green").append("─" * (_BAR - filled), style="dim")
        text.append(f"  {tally.counts()}\n{tally.spent()}")
        for wait in waits:
            text.append(f"\nwaiting  {wait}", style="yellow")
        return text


def print_finished(console: Console, transcript: Transcript) -> None:
    """Print the line of a finished conversation, and under it why it did not pass."""
    word, style = outcome_word(transcript.outcome)
    print_escaped(console, outcome_line(transcript), lead=word, style=style)
    if reason := reason_line(transcript):
        print_escaped(console, INDENT + reason)


def _waiting(model: str, wait_s: float, *, reason: str) -> str:
    return f"{safe_line(model)}  {seconds(wait_s)}  {safe_line(truncate(reason))}"
