"""The ports of `play` as a player has them: by calls of the pace and of the recorder, which are elsewhere."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from claude_run.cluster.actors import ActorLostError, Link
from claude_run.cluster.pace import (
    LEASE_S,
    Answered,
    Asking,
    Began,
    Grant,
    Halted,
    Over,
    Said,
    Wants,
    Withdrawn,
)
from claude_run.errors import MeasureError
from claude_run.play.stop import HaltedError
from claude_run.record.journal import spelled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from decimal import Decimal

    from claude_run.cluster.actors import Actor
    from claude_run.cluster.pace import Message
    from claude_run.conversation.events import Event
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.conversation.usage import Usage
    from claude_run.play.ports import Clock, FailedRequest, Spending, Wanted
    from claude_run.play.stop import StopSignal
    from claude_run.record.redact import Redactor

T = TypeVar("T")

_RENEWALS = 100
"""Leases that come too late one after the other, after which none will come in time."""
_PACED_BY = ("anthropic-ratelimit-", "retry-after")
"""How the headers begin that the pace reads."""


class Lease:
    """A request that may leave, for a short time; satisfies `play.ports.Admission`."""

    def __init__(self, pace: LeasedPace, ticket: int, grant: Grant, *, asked_at: float) -> None:
        self.paid_usd: Decimal | None = None
        self.worst_usd = grant.worst_usd
        self.is_waited_for = grant.is_waited_for
        self._pace = pace
        self._ticket = ticket
        self._given_at, self._asked_at = grant.at, asked_at

    def began(self, used: Usage) -> None:
        if self.is_waited_for:
            self._pace.told.put(Began(ticket=self._ticket, used=used))
            self.is_waited_for = False

    async def confirm(self) -> None:
        for _ in range(_RENEWALS):
            if self._pace.is_live(self._given_at, self._asked_at):
                return
            self._given_at, self._asked_at = await self._pace.renew(self._ticket)
        raise MeasureError(
            f"what lets requests out answers too late: a lease holds for {LEASE_S:g} s, and each of"
            f" {_RENEWALS} was older when it came; play on machines that are near to each other, and not busy"
        )


class LeasedPace:
    """The pace of a run, seen from a player; satisfies `play.ports.Pace`.

    What a request has cost is told once the journal has it, by `written`: where the player is lost before,
    the journal knows only that the request was sent, and it counts at its worst.

    The clocks of two machines differ: how far that of the pace can be ahead of ours is known from its
    answers, none of which was given before we asked.
    """

    def __init__(
        self,
        pace: Actor,
        player: str,
        *,
        written: Callable[[], Awaitable[None]],
        stop: StopSignal,
        clock: Clock,
    ) -> None:
        self.told: Link[Message] = Link(self._tell)
        self._pace = pace
        self._player = player
        self._written = written
        self._stop = stop
        self._clock = clock
        self._tickets = count()
        self._answers: dict[int, asyncio.Future[Grant | Halted]] = {}
        self._listening: asyncio.Task[None] | None = None
        self._ahead_s = math.inf

    @asynccontextmanager
    async def admitted(self, wanted: Wanted) -> AsyncIterator[Lease]:
        ticket, asked_at = next(self._tickets), self._clock.monotonic()
        self.told.put(Wants(ticket=ticket, wanted=wanted))
        answer = self._answers[ticket] = asyncio.get_running_loop().create_future()
        self._listening = self._listening or asyncio.create_task(self._listen())
        try:
            grant = self._unless_halted(await answer)
        except asyncio.CancelledError:
            self._answers.pop(ticket, None)
            self.told.put(Withdrawn(ticket=ticket))
            raise
        lease = Lease(self, ticket, grant, asked_at=asked_at)
        try:
            yield lease
        finally:
            await self._written()
            self.told.put(Over(ticket=ticket, paid_usd=lease.paid_usd))

    async def replied(self, model: str, headers: Mapping[str, str], *, other: str | None = None) -> None:
        paced = {name: value for name, value in headers.items() if name.startswith(_PACED_BY)}
        self.told.put(Answered(model=model, headers=paced, other=other))

    async def failed(self, request: FailedRequest) -> float | None:
        answer: float | Halted | None = await self._pace.call("failed", request)
        return self._unless_halted(answer)

    async def renew(self, ticket: int) -> tuple[float, float]:
        """Return when a lease was given anew, on the clock of the pace, and when we asked, on ours."""
        asked_at = self._clock.monotonic()
        given_at: float | None = await self._pace.call("renew", self._player, ticket)
        if given_at is None:
            raise ActorLostError(f"{self._player} was given up")
        self._compare(given_at, asked_at)
        return given_at, asked_at

    def is_live(self, given_at: float, asked_at: float) -> bool:
        """Return whether a lease surely was given no longer ago than it holds."""
        now = self._clock.monotonic()
        return now - asked_at < LEASE_S or now + self._ahead_s - given_at < LEASE_S

    async def _listen(self) -> None:
        """Hand answers on to those who wait for them, as long as anybody does."""
        try:
            while self._answers:
                asked_at = self._clock.monotonic()
                theirs, answers = await self._pace.call("answers", self._player)
                self._compare(theirs, asked_at)
                for ticket, answer in answers.items():
                    waiting = self._answers.pop(ticket, None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(answer)
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
            waiting_for, self._answers = self._answers, {}
            for each in waiting_for.values():
                if not each.done():
                    each.set_exception(error)
        finally:
            self._listening = None

    async def _tell(self, messages: Sequence[Message]) -> None:
        asked_at = self._clock.monotonic()
        self._compare(await self._pace.call("tell", self._player, messages), asked_at)

    def _compare(self, theirs: float, asked_at: float) -> None:
        self._ahead_s = min(self._ahead_s, theirs - asked_at)

    def _unless_halted(self, answer: T | Halted) -> T:
        if isinstance(answer, Halted):
            self._stop.request(answer.halt)
            raise HaltedError(answer.halt.reason)
        return answer


class RemoteRecorder:
    """The journal of a run, written elsewhere; satisfies `play.ports.Recorder`.

    What an event says is spelled here, where the credential in use is known that must not be in it.
    """

    def __init__(self, recorder: Actor, player: str, redactor: Redactor) -> None:
        self._recorder = recorder
        self._player = player
        self._redactor = redactor
        self._events: Link[tuple[str, str]] = Link(self._append)

    def append(self, *events: Event) -> None:
        self._events.put(*((event.conversation_id, spelled(event, self._redactor)) for event in events))

    async def written(self) -> None:
        await self._events.delivered()

    async def synced(self) -> None:
        await self._events.delivered()

    async def _append(self, events: Sequence[tuple[str, str]]) -> None:
        await self._recorder.call("append", self._player, events)


class ToldProgress:
    """Tells the driver by way of the pace what a player does; satisfies `play.ports.Progress`."""

    def __init__(self, told: Link[Message]) -> None:
        self._told = told

    def say(self, line: str) -> None:
        """Tell the user a line."""
        self._told.put(Said(line=line))

    def begin(self, totals: Mapping[str, int], spending: Spending) -> None:
        """Say nothing: the driver knows what is planned."""

    def asking(self, conversation: Conversation, turn: int | None) -> None:
        self._told.put(Asking(conversation_id=conversation.id, turn=turn))

    def left(self, conversation_id: str) -> None:
        """Say nothing: the driver knows what has come back to it."""

    def in_flight(self, count: int) -> None:
        """Say nothing: the pace knows what it has leased."""

    def waiting(self, what: str, seconds: float, reason: str) -> None:
        """Say nothing: the pace knows who waits."""

    def outage(self, model: str, seconds: float, reason: str) -> None:
        """Say nothing, as of a wait."""

    def resumed(self, what: str) -> None:
        """Say nothing, as of a wait."""

    def finished(self, transcript: Transcript) -> None:
        """Say nothing: the driver gets it."""

    def end(self) -> None:
        """Say nothing: the driver knows."""
