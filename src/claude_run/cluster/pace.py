"""The one place of a cluster that lets requests out: players lease each from it, for a short time.

A lease holds what a request holds on one machine: its turn among those that share its prompt, a place among
those under way, its worst case in dollars. It is given back with what the request has cost; of a player that
is gone it is settled by what the journal tells of it.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from claude_run.cluster.actors import ActorLostError
from claude_run.play.budget import Budget
from claude_run.play.pace import RunPace
from claude_run.play.pacing import AdaptivePacing
from claude_run.play.ports import Deadlines
from claude_run.play.prefixes import Prefixes
from claude_run.play.retry import RetryPolicy
from claude_run.play.stop import HaltedError, StopSignal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from claude_run.conversation.usage import Usage
    from claude_run.play.pace import RunAdmission
    from claude_run.play.ports import Clock, FailedRequest, Wanted
    from claude_run.play.stop import Halt

LEASE_S = 0.25
"""How long after it was given a lease may be used: what comes late is not what was allowed then."""

_NEWS_S = 0.1
_IDLE_S = 1.0
"""News are told so often at most, and at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the requests of a run must keep to; times are in seconds, and `left_s` is that to its end.

    `spent_usd` and `attempts` are what earlier processes have left.
    """

    concurrency: int
    cap_usd: Decimal | None = None
    spent_usd: Decimal = Decimal(0)
    attempts: int = 0
    max_requests: int | None = None
    patience_s: float = 300.0
    attempt_s: float = 600.0
    left_s: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A lease, given at a moment on the clock of the pace."""

    at: float
    worst_usd: Decimal | None
    is_waited_for: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """Nothing more may be sent, and why."""

    halt: Halt


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """A request that would leave, under a ticket by which all that follows refers to it."""

    ticket: int
    wanted: Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The reply to the request of a lease has begun; its prompt has used so much."""

    ticket: int
    used: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A lease is given back; None where nobody knows what its request has cost."""

    ticket: int
    paid_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Nobody waits for a lease any more, or it was never used."""

    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A model has sent a whole reply with these headers; `other` as in `play.ports.Pace`."""

    model: str
    headers: Mapping[str, str]
    other: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request of a conversation leaves: for a turn, or None for a judge."""

    conversation_id: str
    turn: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A line for the user."""

    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """As `play.ports.Progress.waiting`."""

    what: str
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """As `play.ports.Progress.outage`."""

    model: str
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """As `play.ports.Progress.resumed`."""

    what: str


Message: TypeAlias = Wants | Began | Over | Withdrawn | Answered | Asking | Said
Told: TypeAlias = Asking | Said | Waiting | Outage | Resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What has happened since the last news, in order, and how it stands; money in US dollars."""

    told: Sequence[Told]
    in_flight: int
    paid_usd: Decimal
    spent_usd: Decimal
    halt: Halt | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLease:
    """A lease of a player that is gone, and the attempt that it was for."""

    ticket: int
    conversation_id: str
    key: str
    n: int


@dataclass(slots=True, kw_only=True, eq=False)
class _Lease:
    wanted: Wanted
    admission: RunAdmission
    stack: AsyncExitStack
    given_at: float


@dataclass(slots=True, kw_only=True, eq=False)
class _Leases:
    """What a player holds and waits for, by ticket, and the answers that it has not fetched yet."""

    open: dict[int, _Lease] = field(default_factory=dict)
    waiting: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    answers: dict[int, Grant | Halted] = field(default_factory=dict)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    is_lost: bool = False

    def answer(self, ticket: int, answer: Grant | Halted) -> None:
        """Have an answer fetched."""
        self.answers[ticket] = answer
        self.answered.set()

    def send_away(self, halted: Halted | None) -> None:
        """Let nobody wait any more, and say why where anybody hears it."""
        for ticket, waiting in self.waiting.items():
            waiting.cancel()
            if halted is not None:
                self.answer(ticket, halted)
        self.waiting.clear()


class Pace:
    """The actor: `RunPace` for players in other processes, and what they tell the driver besides."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stop = StopSignal()
        self._players: dict[str, _Leases] = {}
        self._told: list[Told] = []
        self._news = asyncio.Event()
        self._run: RunPace
        self._budget: Budget

    async def open(self, terms: Terms) -> None:
        """Begin, before anything is leased."""
        clock, stop = self._clock, self._stop
        self._budget = Budget(
            terms.cap_usd,
            stop=stop,
            max_requests=terms.max_requests,
            spent_usd=terms.spent_usd,
            attempts=terms.attempts,
        )
        self._run = RunPace(
            budget=self._budget,
            pacing=AdaptivePacing(
                ceiling=terms.concurrency, clock=clock, longest_reset_s=terms.patience_s, evenly=True
            ),
            prefixes=Prefixes(clock),
            stop=stop,
            clock=clock,
            progress=self,
            deadlines=Deadlines(attempt_s=terms.attempt_s, end=clock.monotonic() + terms.left_s),
            policy=RetryPolicy(patience_s=terms.patience_s),
        )

    # What players call.

    async def answers(self, player: str) -> tuple[float, Mapping[int, Grant | Halted]]:
        """Return what has become of what a player wants, by ticket, as soon as there is anything.

        Before it stands the moment on the clock of the pace. ActorLostError for a player that was given up.
        """
        leases = self._players.setdefault(player, _Leases())
        await leases.answered.wait()
        if leases.is_lost:
            raise ActorLostError(f"{player} was given up")
        leases.answered.clear()
        answers, leases.answers = leases.answers, {}
        return self._clock.monotonic(), answers

    async def renew(self, player: str, ticket: int) -> float | None:
        """Return the moment from which on a lease may be used again; its place and its money stay.

        What was let out before a stop may leave after it, as on one machine. None of a player that is lost.
        """
        lease = self._players.setdefault(player, _Leases()).open.get(ticket)
        if lease is None:
            return None
        await self._run.pacing.renewed(lease.wanted.model, lease.given_at)
        lease.given_at = self._clock.monotonic()
        return lease.given_at

    async def failed(self, request: FailedRequest) -> float | Halted | None:
        """Decide what follows a failure, as `play.ports.Pace` does."""
        try:
            return await self._run.failed(request)
        except HaltedError:
            return self._send_away()

    async def tell(self, player: str, messages: Iterable[Message]) -> float:
        """Take in what a player has to say, in order; return the moment on the clock of the pace."""
        leases = self._players.setdefault(player, _Leases())
        if leases.is_lost:
            # What its requests came to is decided by the journal, which takes nothing more from it either.
            return self._clock.monotonic()
        for message in messages:
            match message:
                case Wants():
                    admitting = self._admit(leases, message.ticket, message.wanted)
                    leases.waiting[message.ticket] = asyncio.create_task(admitting)
                case Began() | Over() | Withdrawn():
                    await self._follow(leases, message)
                case Answered():
                    await self._run.replied(message.model, message.headers, other=message.other)
                case Asking() | Said():
                    self._told.append(message)
        self._news.set()
        return self._clock.monotonic()

    async def _admit(self, leases: _Leases, ticket: int, wanted: Wanted) -> None:
        """Lease a request out as soon as it may leave; whoever cancels this takes the ticket back himself."""
        stack = AsyncExitStack()
        try:
            self._stop.check()
            admission = await stack.enter_async_context(self._run.admitted(wanted))
        except HaltedError:
            self._send_away()
            return
        del leases.waiting[ticket]
        leases.open[ticket] = _Lease(
            wanted=wanted, admission=admission, stack=stack, given_at=admission.let_out_at
        )
        grant = Grant(
            at=admission.let_out_at,
            worst_usd=admission.worst_usd,
            is_waited_for=admission.may_be_waited_for,
        )
        leases.answer(ticket, grant)
        self._news.set()

    async def _follow(self, leases: _Leases, message: Began | Over | Withdrawn) -> None:
        """Take in what becomes of a lease; nothing where it was settled already."""
        ticket, lease = message.ticket, leases.open.get(message.ticket)
        match message:
            case Began() if lease is not None:
                lease.admission.began(message.used)
            case Over() if lease is not None:
                del leases.open[ticket]
                lease.admission.paid_usd = message.paid_usd
                await lease.stack.aclose()
            case Withdrawn():
                leases.answers.pop(ticket, None)
                if lease is not None:
                    del leases.open[ticket]
                    await self._unused(lease)
                elif (waiting := leases.waiting.pop(ticket, None)) is not None:
                    waiting.cancel()

    # What the driver calls.

    async def news(self, *, at_once: bool = False) -> News:
        """Return what has happened since the last time, soon after it has, or all that has by now."""
        if at_once:
            self._news.set()  # whoever waits for news is told of none
        else:
            try:
                await self._clock.within(_IDLE_S, self._news.wait())
            except TimeoutError:
                pass
            else:
                await self._clock.sleep(_NEWS_S)
            self._news.clear()
        told, self._told = self._told, []
        return News(
            told=tuple(told),
            in_flight=sum(len(leases.open) for leases in self._players.values()),
            paid_usd=self._budget.paid_usd,
            spent_usd=self._budget.spent_usd,
            halt=self._stop.halt,
        )

    async def stop(self, halt: Halt) -> None:
        """Let nothing more out."""
        self._stop.request(halt)
        self._send_away()

    async def lost(self, player: str) -> Sequence[OpenLease]:
        """Lease nothing more to a player that is gone, and return what it holds, until that is settled."""
        leases = self._players.setdefault(player, _Leases())
        leases.is_lost = True
        leases.answered.set()
        leases.send_away(None)
        return tuple(
            OpenLease(
                ticket=ticket,
                conversation_id=lease.wanted.conversation_id,
                key=lease.wanted.key,
                n=lease.wanted.n,
            )
            for ticket, lease in leases.open.items()
        )

    async def settle(self, player: str, paid: Mapping[int, Decimal | None]) -> None:
        """Give the leases of a player back that is gone: those that are not in `paid` were never used."""
        leases = self._players[player]
        while leases.open:
            ticket, lease = leases.open.popitem()
            if ticket in paid:
                lease.admission.paid_usd = paid[ticket]
                await lease.stack.aclose()
            else:
                await self._unused(lease)
        self._news.set()

    async def _unused(self, lease: _Lease) -> None:
        """Take a lease back whose request has not left."""
        lease.admission.reservation.unused = True
        self._run.pacing.unused(lease.wanted.model, lease.given_at)
        await lease.stack.aclose()

    # What the pace itself has to say: `play.ports.Progress`, as far as it is called here.

    def waiting(self, what: str, seconds: float, reason: str) -> None:
        self._told.append(Waiting(what=what, seconds=seconds, reason=reason))
        self._news.set()

    def outage(self, model: str, seconds: float, reason: str) -> None:
        self._told.append(Outage(model=model, seconds=seconds, reason=reason))
        self._news.set()

    def resumed(self, what: str) -> None:
        self._told.append(Resumed(what=what))
        self._news.set()

    def _send_away(self) -> Halted:
        """Send all away that wait to be let out, now that a stop was requested; return why."""
        assert self._stop.halt is not None  # noqa: S101 - or this would not be called
        halted = Halted(halt=self._stop.halt)
        for leases in self._players.values():
            leases.send_away(halted)
        self._news.set()
        return halted
