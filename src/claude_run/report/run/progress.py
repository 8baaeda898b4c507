"""Progress while a run is played, in plain lines for logs, and the words for it that a terminal has too.

It satisfies the Protocol `Progress` of play, as the live display does. What else is to be said meanwhile goes
through `notify(line)`, which gives it a line of its own.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, TextIO

from claude_run.conversation.results import Outcome
from claude_run.report.run.reasons import reasons
from claude_run.report.run.tally import Tally
from claude_run.report.text.blocks import truncate
from claude_run.report.text.console import open_console, print_escaped
from claude_run.report.text.numbers import seconds, usd, used
from claude_run.report.text.safe import safe_line
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.play.ports import Spending

INDENT = " " * 7
"""Under the word of an outcome: where what is said of a conversation begins."""

_WORDS = {
    Outcome.PASSED: ("PASS", "green"),
    Outcome.FAILED: ("FAIL", "red"),
    Outcome.ERRORED: ("ERROR", "bold red"),
    Outcome.SKIPPED: ("SKIP", "yellow"),
}
_LONGEST_S = 86_400.0
"""From here on a wait has no end on the clock that says more than its length."""


class UnseenProgress:
    """Progress that nobody watches."""

    def begin(self, totals: object, spending: object) -> None: ...

    def asking(self, conversation: object, turn: object) -> None: ...

    def left(self, conversation_id: str) -> None: ...

    def in_flight(self, count: int) -> None: ...

    def waiting(self, what: str, seconds: float, reason: str) -> None: ...

    def outage(self, model: str, seconds: float, reason: str) -> None: ...

    def resumed(self, what: str) -> None: ...

    def finished(self, transcript: object) -> None: ...

    def end(self) -> None: ...


class LineProgress:
    """A sign of life each 30 seconds, and where `each` is asked for a line per finished conversation.

    Why one did not pass is told at the end, once for all that it concerns. `clock` counts seconds, `now` is
    the time of day; `heartbeat_s` is the time between two signs of life.
    """

    def __init__(  # noqa: PLR0913 - each is an option of the command line, or a seam
        self,
        stream: TextIO,
        *,
        colour: bool = False,
        each: bool = False,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        heartbeat_s: float = 30.0,
    ) -> None:
        self._console = open_console(stream, colour=colour)
        self._each = each
        self._tally = Tally(clock)
        self._now = now
        self._heartbeat_s = heartbeat_s
        self._next_beat = 0.0
        self._waits: dict[str, float] = {}
        self._outages: dict[str, float] = {}
        self._over = Event()
        self._heart: Thread | None = None

    def begin(self, totals: Mapping[str, int], spending: Spending) -> None:
        self._tally.begin(totals, spending)
        self._next_beat = self._tally.clock() + self._heartbeat_s
        self._over.clear()
        self._heart = Thread(target=self._live, name="heartbeat", daemon=True)
        self._heart.start()

    def asking(self, conversation: Conversation, turn: int | None) -> None:
        self._tally.asking(conversation, turn)

    def left(self, conversation_id: str) -> None:
        self._tally.left(conversation_id)

    def in_flight(self, count: int) -> None:
        self._tally.flying = count

    def waiting(self, what: str, seconds: float, reason: str) -> None:
        """Print a wait, but not those for the same that fall into it: many conversations share them."""
        now = self._tally.clock()
        if self._waits.get(what, now) > now:
            return
        self._waits[what] = now + seconds
        until = ""
        if seconds < _LONGEST_S:
            until = f", until {self._now() + timedelta(seconds=seconds):%H:%M:%S} UTC"
        self._print("WAIT", _waiting(what, seconds, reason=reason, until=until))

    def outage(self, model: str, seconds: float, reason: str) -> None:
        """Print that an outage began; how it goes on is told by the waits for its probes."""
        if model not in self._outages:
            self._outages[model] = self._tally.clock() - seconds
            self._print("OUTAGE", _outage(model, seconds, reason=reason))

    def resumed(self, what: str) -> None:
        """Print how long an outage was, once it is over."""
        if (since := self._outages.pop(what, None)) is not None:
            lasted = seconds(self._tally.clock() - since)
            self._print("BACK", f"{safe_line(what)}  replies again, after {lasted}")
            self._waits.pop(what, None)

    def finished(self, transcript: Transcript) -> None:
        self._tally.add(transcript)
        if self._each:
            print_finished(self._console, transcript)

    def notify(self, line: str) -> None:
        begin_line(self._console.file)
        print_escaped(self._console, safe_line(line))

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

    def _print(self, word: str, text: str) -> None:
        print_escaped(self._console, text, lead=f"{word:<{len(INDENT)}}")

    def _live(self) -> None:
        while not self._over.wait(min(1.0, self._heartbeat_s)):
            self.tick()


def begin_line(stream: IO[str]) -> None:
    """Go to the beginning of a terminal's line, where it shows the `^C` of whoever pressed that."""
    if stream.isatty():
        stream.write("\r")


def print_finished(console: Console, transcript: Transcript) -> None:
    """Print the line of a finished conversation."""
    word, style = outcome_word(transcript.outcome)
    print_escaped(console, outcome_line(transcript), lead=word, style=style)


def outcome_word(outcome: Outcome) -> tuple[str, str]:
    """Return the outcome as a word padded to seven columns, and the style that it is shown in."""
    word, style = _WORDS[outcome]
    return f"{word:<{len(INDENT)}}", style


def outcome_line(transcript: Transcript) -> str:
    """Return `<id>  3 replies  1.2 s  1,204 in / 310 out  $0.0008`; `in` counts the whole prompt.

    What was simulated or replayed says so at the end.
    """
    usage = transcript.usage
    notes = [note for note in ("simulated", "replayed") if getattr(transcript, note)]
    fields = [
        safe_line(transcript.started.conversation_id),
        count(sum(bool(turn.exchanges) for turn in transcript.turns), "reply", plural="replies"),
        seconds(transcript.duration_s),
        f"{used(usage.input_total)} in / {used(usage.output_tokens)} out",
        usd(transcript.cost_usd),
        *notes,
    ]
    return "  ".join(fields)


def reason_line(transcript: Transcript) -> str | None:
    """Return why the conversation did not pass: the first reason, and how many more; None for none."""
    found = reasons(transcript)
    if not found:
        return None
    first = found[0]
    more = f" (and {count(len(found) - 1, 'more reason')})" if len(found) > 1 else ""
    return f"{safe_line(first.where)}: {safe_line(truncate(first.message))} ({safe_line(first.place)}){more}"


def _waiting(what: str, wait_s: float, *, reason: str, until: str = "") -> str:
    return f"{safe_line(what)}  {seconds(wait_s)}{until}  {safe_line(truncate(reason))}"


def _outage(model: str, lasted_s: float, *, reason: str) -> str:
    lasted = seconds(lasted_s)
    return (
        f"{safe_line(model)}  no reply for {lasted}, one request at a time is tried:"
        f" {safe_line(truncate(reason))}"
    )
