"""The log of a conversation: what it knows from before, what it writes, and an attempt that never leaves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from claude_run.checks.registry import default_registry
from claude_run.conversation.events import Attempted, Failed, Replied
from claude_run.conversation.log import ConversationLog
from claude_run.play.runner import ConversationRunner, PlayContext
from claude_run.play.sender import JournalledLog, Sender
from claude_run.play.stop import HaltedError, StopSignal
from tests.unit.play.fakes import (
    FakedRun,
    FakeMessages,
    FakeProgress,
    FlatPrices,
    LoopClock,
    MemoryRecorder,
    conversation,
    run,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from claude_run.conversation.events import Event
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.conversation.usage import Usage
    from claude_run.play.ports import FailedRequest, Wanted


def test_what_was_handed_on_is_known_and_not_written_again() -> None:
    """It stands in the journal already; unlike a reply from before the run it is no earlier one."""
    played = FakedRun()
    played.play([conversation()])
    events = played.recorder.events
    replies = [event for event in events if isinstance(event, Replied)]
    middle = events.index(replies[0]) + 1
    recorder = MemoryRecorder()

    log = JournalledLog(recorder, ConversationLog(events[:middle]), events[middle:])

    assert [each.key for each in log.known.replies] == [each.key for each in replies]
    assert recorder.events == []
    assert log.earlier(replies[0].key) is not None
    assert log.earlier(replies[1].key) is None


def test_a_conversation_that_was_handed_on_is_played_from_where_it_was() -> None:
    """What it was given is not asked for again, and an attempt without an end gets the next number."""
    planned, before, messages = conversation(), FakedRun(), FakeMessages()
    before.play([planned])
    attempts = [event for event in before.recorder.events if isinstance(event, Attempted)]
    written = before.recorder.events[: before.recorder.events.index(attempts[1]) + 1]
    recorder = MemoryRecorder()
    context = _context(messages, _Pace(_Admission()), recorder)

    transcript = run(_played(context, planned, written))

    assert len(messages.requests) == 1
    assert [event.n for event in recorder.events if isinstance(event, Attempted)] == [2]
    assert [exchange.attempts for turn in transcript.turns for exchange in turn.exchanges] == [1, 2]


@pytest.mark.parametrize("error", [HaltedError("stopped"), asyncio.CancelledError()])
def test_an_attempt_that_may_not_leave_any_more_costs_nothing(error: BaseException) -> None:
    """It was written down before: so its end is, and that nothing was sent."""
    messages, recorder, admission = FakeMessages(), MemoryRecorder(), _Admission(error=error)
    context = _context(messages, _Pace(admission), recorder)

    with pytest.raises(type(error)):
        run(_played(context, conversation()))

    attempted, failed = recorder.events[-2:]
    assert isinstance(attempted, Attempted)
    assert isinstance(failed, Failed)
    assert (failed.key, failed.n) == (attempted.key, attempted.n)
    assert (failed.failure.kind, failed.failure.paid) == ("canceled", "no")
    assert failed.failure.message == "not sent: the run was stopped first"
    assert admission.paid_usd == 0
    assert messages.requests == []


@dataclass(kw_only=True)
class _Admission:
    """An admission that is worth nothing any more when it is confirmed, where `error` says so."""

    error: BaseException | None = None
    worst_usd: Decimal | None = Decimal("0.02")
    paid_usd: Decimal | None = None
    is_waited_for: bool = False

    def began(self, used: Usage) -> None:
        """Take no note."""

    async def confirm(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass(frozen=True)
class _Pace:
    """A pace that lets everything out at once."""

    admission: _Admission

    @asynccontextmanager
    async def admitted(self, wanted: Wanted) -> AsyncIterator[_Admission]:  # noqa: ARG002 - the port's shape
        yield self.admission

    async def replied(self, model: str, headers: Mapping[str, str], *, other: str | None = None) -> None:
        """Take no note."""

    async def failed(self, request: FailedRequest) -> float | None:  # noqa: ARG002 - the port's shape
        return None


async def _played(context: PlayContext, planned: Conversation, handed_on: Sequence[Event] = ()) -> Transcript:
    return await ConversationRunner(context, planned, None, handed_on).play()


def _context(messages: FakeMessages, pace: _Pace, recorder: MemoryRecorder) -> PlayContext:
    stop, clock = StopSignal(), LoopClock()
    sender = Sender(
        messages=messages,
        recording=None,
        prices=FlatPrices(),
        pace=pace,
        stop=stop,
        clock=clock,
        progress=FakeProgress(),
    )
    return PlayContext(sender=sender, recorder=recorder, registry=default_registry(), stop=stop, clock=clock)
