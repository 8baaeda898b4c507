"""One request until it is answered or given up: recorded, budgeted, paced, journalled, retried."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from claude_run.conversation.events import Asked, Attempted, Failed, Replied
from claude_run.conversation.exchange import Failure
from claude_run.conversation.transcript import exchanges_of
from claude_run.errors import ExitCode
from claude_run.play.brake import Halt, HaltedError
from claude_run.play.breaker import Breaker, hopeless
from claude_run.play.pacing import Lane
from claude_run.play.ports import RequestFailedError
from claude_run.play.retry import GiveUp, Retry, RetryPolicy, StopRun, is_transient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.conversation.events import Event
    from claude_run.conversation.exchange import Exchange, Request
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Send
    from claude_run.play.brake import Brake
    from claude_run.play.budget import Budget
    from claude_run.play.ports import Clock, Messages, Progress, Received, Recorder, Recording
    from claude_run.scenario.model import JsonObject


class Prices(Protocol):
    """What requests may cost and replies did cost, in US dollars; None where the model has no known price."""

    def worst(self, step: Send, exchanges: Sequence[Exchange]) -> Decimal | None:
        """Return an upper bound for one attempt at the next step after these exchanges."""

    def paid(self, request: Request, body: JsonObject) -> Decimal | None:
        """Return the price of a reply by its own usage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the user allows: requests under way, wall-clock seconds per attempt and conversation, requests.

    After `given_up` requests in a row to one model that no retry could save, the run is stopped.
    """

    concurrency: int = 20
    attempt_s: float = 600.0
    conversation_s: float = 3600.0
    requests: int | None = None
    given_up: int = 10
    policy: RetryPolicy = field(default_factory=RetryPolicy)


class Log:
    """The events of one conversation so far, each of them journalled before it counts."""

    def __init__(self, recorder: Recorder, earlier: tuple[Event, ...] = ()) -> None:
        self.events: list[Event] = list(earlier)
        self._recorder = recorder

    def append(self, event: Event) -> None:
        self._recorder.append(event)
        self.events.append(event)

    async def synced(self) -> None:
        await self._recorder.synced()

    def asked(self, key: str) -> bool:
        return any(isinstance(event, Asked) and event.key == key for event in self.events)

    def replied(self, key: str) -> bool:
        return any(isinstance(event, Replied) and event.key == key for event in self.events)

    def attempts(self, key: str) -> int:
        return sum(isinstance(event, Attempted) and event.key == key for event in self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A request of a conversation with its key, its worst cost, and the moment when patience ends."""

    conversation: Conversation
    step: Send
    key: str
    worst_usd: Decimal | None
    deadline: float


@dataclass(slots=True, kw_only=True, eq=False)
class Sender:
    """Sends the requests of all conversations of a run within its limits.

    Without `messages` nothing is ever sent: every reply comes from the recording. `sending` are the tasks
    whose request is under way; `chance` draws the jitter's random numbers from [0, 1). No wait that ends
    after `deadline` on the clock is begun; what is under way then is for the brake to end.
    """

    messages: Messages | None
    recording: Recording | None
    prices: Prices
    budget: Budget
    brake: Brake
    clock: Clock
    progress: Progress
    limits: Limits
    chance: Callable[[], float] = random.random
    deadline: float = math.inf
    sending: set[asyncio.Task[object]] = field(default_factory=set)
    _lanes: dict[str, Lane] = field(default_factory=dict)
    _settled: asyncio.Condition = field(default_factory=asyncio.Condition)
    _in_flight: asyncio.Semaphore = field(init=False)
    _breaker: Breaker = field(init=False)
    _requests: int = 0

    def __post_init__(self) -> None:
        self._in_flight = asyncio.Semaphore(self.limits.concurrency)
        self._breaker = Breaker(self.limits.given_up)

    async def ask(
        self, conversation: Conversation, step: Send, *, log: Log, deadline: float, judge: str | None = None
    ) -> str:
        """Get the reply to `step` into the log, from the recording or from the API; return its key.

        `judge` labels a question to a judge. Raises RequestFailedError when it is given up, HaltedError when
        the run is being stopped.
        """
        whose = conversation.identity if judge is None else (*conversation.identity, judge)
        key = step.request.key(whose)
        if log.replied(key):
            return key
        if not log.asked(key):
            log.append(
                Asked(conversation_id=conversation.id, turn=step.turn, key=key, sent=step.sent, judge=judge)
            )
        if self._take_recorded(conversation, step, log=log, key=key, judge=judge):
            return key
        # A question to a judge is no continuation: what the API counted of the conversation bounds nothing.
        worst = self.prices.worst(step, exchanges_of(log.events) if judge is None else ())
        errand = Errand(conversation=conversation, step=step, key=key, worst_usd=worst, deadline=deadline)
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._attempt(errand, log)
            except RequestFailedError as error:
                await self._after(error, errand, attempt)
            else:
                return key

    def _take_recorded(
        self, conversation: Conversation, step: Send, *, log: Log, key: str, judge: str | None
    ) -> bool:
        found = self.recording.find(key) if self.recording else None
        if found is not None:
            log.append(
                Replied(
                    conversation_id=conversation.id,
                    turn=step.turn,
                    key=key,
                    n=0,
                    body=found.body,
                    request_id=found.request_id,
                    latency_s=found.latency_s,
                    cost_usd=found.cost_usd,
                    simulated=found.simulated,
                    replayed=True,
                    at=found.at,
                )
            )
            return True
        if self.messages is None:
            message = "nothing may be sent, and there is no recording"
            if self.recording is not None and judge is not None:
                message = "this question to it was not recorded"
            elif self.recording is not None:
                message = self.recording.explain(step.request, conversation.id)
            raise RequestFailedError(
                Failure(kind="not_recorded", message=message, may_retry=False, paid="no")
            )
        return False

    async def _after(self, error: RequestFailedError, errand: Errand, attempt: int) -> None:
        """Wait before the next attempt, or raise the error again when there will be none."""
        failure, model = error.failure, errand.step.request.model
        patience = min(errand.deadline, self.deadline) - self.clock.monotonic()
        decision = self.limits.policy.decide(
            failure, attempt=attempt, chance=self.chance(), patience_s=patience
        )
        match decision:
            case Retry(after_s=seconds, throttled=throttled):
                if throttled:
                    self._lane(model).throttled(seconds)
                self.brake.check()
                self.progress.waiting(model, seconds, failure.message)
                await self.clock.sleep(seconds)
            case StopRun(wait_s=seconds):
                self.brake.pull(hopeless(failure, wait_s=seconds, now=self.clock.now()))
                raise HaltedError(failure.message) from error
            case GiveUp():
                if is_transient(failure) and (halt := self._breaker.gave_up(model, failure)):
                    self.brake.pull(halt)
                raise error

    async def _attempt(self, errand: Errand, log: Log) -> None:
        self.brake.check()
        lane = self._lane(errand.step.request.model)
        async with lane.slot(), self._in_flight:
            self._refuse_if_late(errand)
            await self._reserve(errand)
            paid: Decimal | None = None
            try:
                paid = await self._send(errand, log, lane)
            except RequestFailedError as error:
                paid = Decimal(0) if error.failure.paid == "no" else None
                raise
            finally:
                await self._settle(errand.worst_usd, paid)
            await log.synced()

    async def _send(self, errand: Errand, log: Log, lane: Lane) -> Decimal | None:
        conversation, step, n = errand.conversation, errand.step, log.attempts(errand.key) + 1
        log.append(
            Attempted(
                conversation_id=conversation.id,
                turn=step.turn,
                key=errand.key,
                n=n,
                worst_cost_usd=errand.worst_usd,
                at=self.clock.now(),
            )
        )
        begin = self.clock.monotonic()
        try:
            received = await self._within_deadline(errand)
        except RequestFailedError as error:
            log.append(
                Failed(
                    conversation_id=conversation.id,
                    turn=step.turn,
                    key=errand.key,
                    n=n,
                    failure=error.failure,
                    at=self.clock.now(),
                )
            )
            raise
        cost = self.prices.paid(step.request, received.reply.body)
        log.append(
            Replied(
                conversation_id=conversation.id,
                turn=step.turn,
                key=errand.key,
                n=n,
                body=received.reply.body,
                request_id=received.request_id,
                latency_s=round(self.clock.monotonic() - begin, 3),
                cost_usd=cost,
                simulated=received.simulated,
                replayed=False,
                at=self.clock.now(),
            )
        )
        lane.replied(received.headers)
        self._breaker.replied(step.request.model)
        return cost

    async def _within_deadline(self, errand: Errand) -> Received:
        assert self.messages is not None  # noqa: S101 - `_take_recorded` has raised otherwise
        seconds = min(self.limits.attempt_s, errand.deadline - self.clock.monotonic())
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines run in tasks
        self.sending.add(task)
        self.progress.in_flight(len(self.sending))
        try:
            return await self.clock.within(seconds, self.messages.send(errand.step.request))
        except TimeoutError as error:
            message = f"no whole reply within {seconds:.0f} s"
            raise RequestFailedError(Failure(kind="deadline", message=message)) from error
        finally:
            self.sending.discard(task)
            self.progress.in_flight(len(self.sending))

    def _refuse_if_late(self, errand: Errand) -> None:
        """Give up before the attempt is written down: a place in the lane may come after all patience."""
        if errand.deadline <= self.clock.monotonic():
            message = "the conversation's time was over before its next request could be sent"
            raise RequestFailedError(Failure(kind="deadline", message=message, may_retry=False, paid="no"))

    async def _reserve(self, errand: Errand) -> None:
        """Set the worst case aside. What is under way may turn out cheaper: wait for it before giving up."""
        async with self._settled:
            while True:
                self.brake.check()
                if self.budget.reserve(errand.worst_usd):
                    break
                if self.budget.idle:
                    self.brake.pull(Halt(code=ExitCode.CAPPED, reason=self.budget.refusal(errand.worst_usd)))
                    continue
                await self._settled.wait()
        if self.limits.requests is not None and self._requests >= self.limits.requests:
            await self._settle(errand.worst_usd, Decimal(0))
            reason = f"stopped by --max-requests {self.limits.requests}"
            self.brake.pull(Halt(code=ExitCode.CAPPED, reason=reason))
            self.brake.check()
        self._requests += 1

    async def _settle(self, worst_usd: Decimal | None, paid_usd: Decimal | None) -> None:
        async with self._settled:
            self.budget.settle(worst_usd, paid_usd)
            self._settled.notify_all()

    def _lane(self, model: str) -> Lane:
        if model not in self._lanes:
            self._lanes[model] = Lane(model, ceiling=self.limits.concurrency, clock=self.clock)
        return self._lanes[model]
