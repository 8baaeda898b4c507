"""A live display of a run, at the foot of a terminal: it is redrawn in place, and vanishes at the end."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from claude_run.conversation.results import Outcome
from claude_run.report.run.progress import begin_line, outcome_word, print_finished, reason_line
from claude_run.report.run.tally import Tally
from claude_run.report.text.blocks import truncate
from claude_run.report.text.console import open_console, print_escaped
from claude_run.report.text.cut import ELLIPSIS, columns, cut_end, cut_middle
from claude_run.report.text.numbers import seconds
from claude_run.report.text.safe import safe_line
from claude_run.scenario.model import turn_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.live import Live
    from rich.text import Text

    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.play.ports import Spending
    from claude_run.report.run.tally import ModelTally, UnderWay

FILLED, EMPTY = "━", "─"
_BAR = 20
_LEAD = 9
"""Columns of the word before a line of the display: `FAIL`, `waiting`, `longest`."""

_MARGIN = 4
"""Columns that stay free at the end of the last line, where a terminal shows `^C` of whoever presses that."""

_SLOW_S = 3.0
"""How long a conversation is under way before it is named."""

_SHARE = 8
"""Of so many lines of the screen one is for what is slow, and two each for failures and for waits."""

_KEPT = 12
"""How many failures are kept in mind: as many as a high screen has room for."""

_MINUTE = 60
_COLOURS = {r"[1-9][\d,]* passed": "green", r"[1-9][\d,]* (failed|errored)": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrong:
    """A conversation that did not pass, in words that are safe to show."""

    outcome: Outcome
    name: str
    reason: str


class LiveProgress:
    """The display: what went wrong last, who waits and why, what is slow, each model, the run as a whole.

    No line is longer than the terminal is wide, and there are never more of them than fit on it. Where `each`
    is asked for, a line per finished conversation is printed above it. `clock` counts seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        colour: bool = False,
        each: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = open_console(stream, colour=colour)
        self._each = each
        self._tally = Tally(clock)
        self._waits: dict[str, tuple[float, str]] = {}
        self._outages: dict[str, tuple[float, str]] = {}
        # What is new of what went wrong is put into words when it is drawn: only the last few ever are.
        self._news: deque[Transcript] = deque(maxlen=_KEPT)
        self._wrong: deque[_Wrong] = deque(maxlen=_KEPT)
        self._live: Live | None = None
        self._drawn: Sequence[str] = ()
        self._width = 0

    def begin(self, totals: Mapping[str, int], spending: Spending) -> None:
        from rich.live import Live  # noqa: PLC0415 - heavy, and needed only on a terminal

        self._tally.begin(totals, spending)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        # Drawn at once: what a terminal shows by itself, such as `^C`, is erased with it.
        self._live.start(refresh=True)
        # Who stops the process in the middle, or kills it, gets a terminal back that shows where they type.
        self._console.show_cursor()

    def asking(self, conversation: Conversation, turn: int | None) -> None:
        self._tally.asking(conversation, turn)

    def left(self, conversation_id: str) -> None:
        self._tally.left(conversation_id)

    def in_flight(self, count: int) -> None:
        self._tally.flying = count

    def waiting(self, what: str, seconds: float, reason: str) -> None:
        self._waits[what] = (self._tally.clock() + seconds, reason)

    def outage(self, model: str, seconds: float, reason: str) -> None:
        self._outages[model] = (self._tally.clock() - seconds, reason)

    def resumed(self, what: str) -> None:
        self._waits.pop(what, None)
        self._outages.pop(what, None)

    def finished(self, transcript: Transcript) -> None:
        self._tally.add(transcript)
        if transcript.outcome is not Outcome.PASSED:
            self._news.append(transcript)
        if self._each:
            self._make_way()
            print_finished(self._console, transcript)

    def notify(self, line: str) -> None:
        """Print a line above the display, which is drawn anew below it: neither cuts the other."""
        self._make_way()
        if self._live is None:
            begin_line(self._console.file)
        print_escaped(self._console, safe_line(line))

    def end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            self._drawn = ()

    def display(self, *, width: int, height: int) -> Text:
        """Return what a terminal of this size shows now, a line for each row that it takes."""
        from rich.text import Text  # noqa: PLC0415 - heavy, and needed only on a terminal

        room = height - 1
        status = [*self._status(width - 1 - _MARGIN)][-room:]
        room -= len(status)

        # What has to be known first gets its room first; models share what the others leave.
        share = max(1, height // _SHARE)
        pauses = _some([*self._pauses(width - 1)], min(2 * share, room), what="waits")
        room -= len(pauses)
        wrong = self._went_wrong(width - 1, most=min(2 * share, room))
        room -= len(wrong)
        slow = [*self._slow(width - 1, most=min(share, room))]
        room -= len(slow)
        models = _some([*self._models(width - 1)], room, what="models")
        return Text("\n", no_wrap=True, overflow="crop").join([*wrong, *pauses, *slow, *models, *status])

    def _status(self, width: int) -> Iterator[Text]:
        """Yield the two lines on the run as a whole; what there is no room for is left out."""
        tally = self._tally
        counts = tally.counts()
        if len(counts) > width:
            counts = tally.counts(zeros=False)
        bar = _bar(tally, min(_BAR, width - len(counts) - 2))
        yield _coloured(bar.append(cut_end(counts, width)))
        busy = bool(self._outages) or any(until > tally.clock() for until, _ in tuple(self._waits.values()))
        flying, used, left = tally.in_flight(), tally.used(), None if busy else tally.time_left()
        fields = [flying, used, tally.cost(), _whole(tally.elapsed_s), *([left] if left else [])]
        for spare in (used, left, flying):
            if spare in fields and len("  ".join(fields)) > width:
                fields.remove(spare)
        yield _text(cut_end("  ".join(fields), width))

    def _models(self, width: int) -> Iterator[Text]:
        """Yield a line for each model, where there are several: those that are done last."""
        models = self._tally.models
        if len(models) < 2:  # noqa: PLR2004 - of one all is said
            return
        names = {label: cut_middle(safe_line(label), width * 2 // 5) for label in models}
        widest = max(map(columns, names.values()))
        for label, model in sorted(models.items(), key=lambda each: each[1].done >= each[1].total):
            name = names[label] + " " * (widest - columns(names[label]))
            counts = "  ".join([f"{model.done:,}/{model.total:,}", *_not_passed(model)])
            bar = min(_BAR, width - widest - 2 - len(counts) - 2)
            line = _text(f"{name}  ").append_text(_bar(model, bar))
            yield _coloured(line.append(cut_end(counts, width - widest - 2)))

    def _slow(self, width: int, *, most: int) -> Iterator[Text]:
        """Yield what has been under way for longest, with the turn that it is at."""
        found = self._tally.longest(at_least_s=_SLOW_S)[:most]
        for number, each in enumerate(found):
            lasts = _whole(self._tally.clock() - each.since)
            name = safe_line(each.conversation.id)
            yield _row("" if number else "longest", name, f"{_turn_of(each)}  {lasts}", width=width)

    def _went_wrong(self, width: int, *, most: int) -> Sequence[Text]:
        """Return what did not pass last, the newest at the end, each with its first reason."""
        while self._news:
            new = self._news.popleft()
            name, reason = safe_line(new.started.conversation_id), reason_line(new) or ""
            self._wrong.append(_Wrong(outcome=new.outcome, name=name, reason=reason))
        shown: list[Text] = []
        for wrong in reversed(self._wrong):
            word, style = outcome_word(wrong.outcome)
            rows = _rows(word.strip(), wrong.name, wrong.reason, width=width, style=style)
            if len(shown) + len(rows) > most:
                break
            shown[:0] = rows
        return shown

    def _pauses(self, width: int) -> Iterator[Text]:
        """Yield why nothing goes out: models that answer nobody, and what else is waited for."""
        now = self._tally.clock()
        # Copies, because the display is drawn by a thread of its own while waits are added.
        outages, waits = dict(self._outages), dict(self._waits)
        for model, (since, reason) in outages.items():
            told = f"no reply for {_whole(now - since)}: {safe_line(truncate(reason))}"
            yield _row("outage", safe_line(model), told, width=width, style="bold yellow")
            until, _ = waits.pop(model, (0.0, ""))
            then = f", the next in {_whole(math.ceil(until - now))}" if until > now else ""
            yield _row("", "", f"one request at a time is tried{then}", width=width, style="yellow")
        for what, (until, reason) in waits.items():
            if until > now:
                told = f"{_whole(math.ceil(until - now))}  {safe_line(truncate(reason))}"
                yield _row("waiting", safe_line(what), told, width=width, style="yellow")

    def _draw(self) -> Text:
        self._erase_wrapped()
        width, height = self._console.size
        text = self.display(width=width, height=height)
        self._drawn = text.plain.split("\n")
        return text

    def _make_way(self) -> None:
        """Draw the display for the width that the terminal has by now, before a line is printed above it."""
        if self._live is not None and self._console.width != self._width:
            self._live.refresh()

    def _erase_wrapped(self) -> None:
        """Erase the rows that the lines drawn last have become more, because the terminal is narrower now.

        Nearly all terminals wrap what stands there already. One that cuts it off loses as many rows above.
        """
        from rich.cells import chop_cells  # noqa: PLC0415 - heavy, and needed only on a terminal
        from rich.control import Control  # noqa: PLC0415 - same
        from rich.segment import ControlType  # noqa: PLC0415 - same

        width = self._console.width
        if width < self._width:
            rows = sum(len(chop_cells(line, width)) - 1 for line in self._drawn if line)
            erase = (ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)
            self._console.control(Control(*erase * rows))
        self._width = width


def can_be_drawn_on(stream: TextIO) -> bool:
    """Return whether a stream can say what the display is drawn with; what it cannot takes other columns."""
    try:
        f"{FILLED}{EMPTY}{ELLIPSIS}".encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _row(lead: str, name: str, told: str, *, width: int, style: str = "") -> Text:
    """Return a line: a word, a name, what is told of it. The name may be cut to a third of the room."""
    room = width - _LEAD
    if name and told:
        name = cut_middle(name, max(room // 3, room - 2 - columns(told))) + "  "
    name = cut_middle(name, room)
    text = _text("").append(f"{lead:<{_LEAD}}", style=style)
    return text.append(name + cut_end(told, room - columns(name)))


def _rows(lead: str, name: str, told: str, *, width: int, style: str) -> Sequence[Text]:
    """Return the same where it fits on one line, else what is told below the name."""
    if _LEAD + columns(name) + 2 + columns(told) <= width:
        return [_row(lead, name, told, width=width, style=style)]
    return [_row(lead, name, "", width=width, style=style), _row("", "", told, width=width)]


def _text(text: str) -> Text:
    from rich.text import Text  # noqa: PLC0415 - heavy, and needed only on a terminal

    return Text(text)


def _bar(tally: Tally | ModelTally, size: int) -> Text:
    """Return a bar of so many columns, and two spaces; nothing where there is no room."""
    bar = _text("")
    if size <= 0:
        return bar
    filled = size * tally.done // max(tally.total, 1)
    return bar.append(FILLED * filled, style="green").append(EMPTY * (size - filled) + "  ", style="dim")


def _coloured(line: Text) -> Text:
    """Return the line with what is not zero of its outcomes in their colours."""
    for pattern, style in _COLOURS.items():
        line.highlight_regex(pattern, style)
    return line


def _not_passed(model: ModelTally) -> Iterator[str]:
    for outcome in (Outcome.FAILED, Outcome.ERRORED):
        if number := model.outcomes[outcome]:
            yield f"{number:,} {outcome}"


def _some(rows: Sequence[Text], most: int, *, what: str) -> Sequence[Text]:
    """Return as many rows as there may be, the last of them on how many more there are."""
    if len(rows) <= most:
        return rows
    left = len(rows) - most + 1
    return [*rows[: most - 1], _text(f"and {left:,} more {what}")] if most > 1 else rows[:most]


def _turn_of(each: UnderWay) -> str:
    if each.turn is None:
        return "judged"
    return f"turn {turn_number(each.turn)} of {len(each.conversation.turns)}"


def _whole(duration_s: float) -> str:
    """Return a duration that is looked at while it grows or shrinks: in whole seconds."""
    return f"{max(0, int(duration_s))} s" if duration_s < _MINUTE else seconds(duration_s)
