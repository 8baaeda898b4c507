"""What a journal tells: the events of each conversation, what was spent, and how the run ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.events import Attempted, Ended, Failed, Replied, Started
from claude_run.conversation.exchange import Reply
from claude_run.errors import ExitCode, StorageError
from claude_run.record.codec import decode
from claude_run.record.journal import read_lines
from claude_run.record.shapes import fitting
from claude_run.record.summary import Ending, Gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from claude_run.conversation.events import Event

CUT_OFF = Ending(stop=ExitCode.NOT_MEASURED, reason="the run was cut off before its end; go on with --resume")


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """`events` by conversation id, from its last start on; `superseded` are those that no longer count.

    Another start followed them, or a line that calls the conversation superseded because its scenario
    changed. `ending` is `CUT_OFF` where the last process that played the run did not live to write its end.
    """

    events: Mapping[str, tuple[Event, ...]]
    superseded: tuple[Event, ...]
    ending: Ending

    def all_events(self) -> Iterator[Event]:
        """Yield the superseded events, then those that count, conversation by conversation."""
        yield from self.superseded
        for events in self.events.values():
            yield from events

    def spent_usd(self) -> Decimal:
        """Return what all attempts cost, at their worst those without a known end or a known price."""
        spent = Decimal(0)
        worst: dict[tuple[str, int], Decimal] = {}
        for event in self.all_events():
            if isinstance(event, Attempted):
                # A conversation that is played anew may number its attempts anew: the old ones stay spent.
                worst[event.key, event.n] = event.worst_cost_usd or Decimal(0)
                spent += worst[event.key, event.n]
            elif isinstance(event, Replied | Failed) and (cost := _known_cost(event)) is not None:
                spent += cost - worst.pop((event.key, event.n), Decimal(0))
        return spent

    def uncertain(self) -> tuple[Attempted, ...]:
        """Return the attempts that may have been billed though they brought no reply, superseded ones too."""
        lost: list[Attempted] = []
        unanswered: dict[tuple[str, int], Attempted] = {}
        for event in self.all_events():
            if isinstance(event, Attempted):
                if before := unanswered.get((event.key, event.n)):
                    lost.append(before)
                unanswered[event.key, event.n] = event
            elif isinstance(event, Replied) or (isinstance(event, Failed) and event.failure.paid == "no"):
                unanswered.pop((event.key, event.n), None)
        return (*lost, *unanswered.values())

    def ended(self, conversation_id: str) -> Ended | None:
        """Return the end of a conversation; None where it has none, or was played on after it."""
        events = self.events.get(conversation_id)
        return events[-1] if events and isinstance(events[-1], Ended) else None


def read_history(path: Path) -> History:
    """Read a journal; StorageError where it is missing, damaged, or of another version."""
    events: dict[str, list[Event]] = {}
    superseded: list[Event] = []
    ending, played_s = CUT_OFF, 0.0
    for line in read_lines(path):
        kind = line.value["event"]
        if kind == "run":
            try:
                for name in line.value.get("superseded", ()):
                    superseded.extend(events.pop(name, ()))
                ending = _ending(line.value, ending, played_s=played_s)
            except (KeyError, TypeError, ValueError) as error:
                raise StorageError(
                    f"{path}:{line.number}: a line on the run does not fit: {error}"
                ) from error
            played_s = ending.duration_s or played_s
        elif kind != "journal":
            event = _decoded(line.value, f"{path}:{line.number}")
            if isinstance(event, Started):
                superseded.extend(events.pop(event.conversation_id, ()))
            events.setdefault(event.conversation_id, []).append(event)
    kept = {name: tuple(rows) for name, rows in events.items() if isinstance(rows[0], Started)}
    return History(events=kept, superseded=tuple(superseded), ending=ending)


def _known_cost(event: Replied | Failed) -> Decimal | None:
    """Return what the end of an attempt says that it cost; None where it says nothing."""
    if isinstance(event, Failed):
        return Decimal(0) if event.failure.paid == "no" else None
    return Decimal(0) if event.replayed else event.cost_usd


def _decoded(value: Mapping[str, Any], place: str) -> Event:
    try:
        event = decode(value)
        if isinstance(event, Replied):
            Reply.from_body(event.body)
    except ValueError as error:
        raise StorageError(f"{place}: {error}") from error
    return event


def _ending(value: Mapping[str, Any], before: Ending, *, played_s: float) -> Ending:
    """Return how the run stands after a line on it; the time of all its processes adds up."""
    if value.get("what") == "gated":
        gate = Gate(code=ExitCode(value["code"]), verdict=str(value["verdict"]), reason=str(value["reason"]))
        return replace(before, gate=gate)
    if value.get("what") != "ended":
        return CUT_OFF
    stop = value.get("stop")
    ending = Ending(
        stop=None if stop is None else ExitCode(stop),
        reason=value.get("reason"),
        at=value.get("at"),
        duration_s=value.get("duration_s"),
    )
    return replace(fitting(ending), duration_s=round(played_s + (ending.duration_s or 0.0), 3))
