"""One request until it is answered or given up: recorded, journalled, priced, let out, sent, retried."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.events import Asked, Attempted, Failed, Replied, SetAside
from claude_run.conversation.exchange import Failure
from claude_run.conversation.log import ConversationLog
from claude_run.plan.caching import shared_prefix
from claude_run.play.ports import Deadlines, FailedRequest, RequestFailedError, Wanted
from claude_run.play.retry import Failures, is_transient
from claude_run.play.stop import HaltedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Sequence

    from claude_run.conversation.events import Event
    from claude_run.conversation.exchange import Exchange, Request
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.steps import Send
    from claude_run.plan.caching import SharedPrefix
    from claude_run.play.ports import (
        Admission,
        Charged,
        Clock,
        Messages,
        Pace,
        Prices,
        Progress,
        Received,
        RecordedReplies,
        Recorder,
    )
    from claude_run.play.stop import StopSignal


class JournalledLog:
    """The log of one conversation, each event of it journalled before anything comes of it.

    `known` is what earlier processes have left of it. `handed_on` is what became of it in this run, in the
    hands of somebody who is gone: it stands in the journal already.
    """

    def __init__(
        self,
        recorder: Recorder,
        known: ConversationLog | None = None,
        handed_on: Sequence[Event] = (),
    ) -> None:
        self.known = known or ConversationLog()
        self._recorder = recorder
        self._earlier = {exchange.key for exchange in self.known.replies}
        for event in handed_on:
            self.known.append(event)
        self._held: list[Asked] = []
        self._knows_prefix = False
        self._prefix: SharedPrefix | None = None

    def prefix(self, request: Request) -> SharedPrefix | None:
        """Return what others may read of the prompt of the conversation; all its requests have the same."""
        if not self._knows_prefix:
            self._prefix, self._knows_prefix = shared_prefix(request), True
        return self._prefix

    def append(self, event: Event) -> None:
        self._recorder.append(*self._held, event)
        self._held.clear()
        self.known.append(event)
        if isinstance(event, SetAside):
            self._earlier.discard(event.key)

    def ask(self, event: Asked) -> None:
        """Note a request that was made up; it is written down with whatever comes of it first."""
        self._held.append(event)
        self.known.append(event)

    def answer(self, event: Replied) -> Exchange:
        """Append a reply and return the exchange that it completes."""
        self.append(event)
        exchange = self.known.exchange(event.key)
        assert exchange is not None  # noqa: S101 - the log has just taken the reply in
        return exchange

    async def written(self) -> None:
        await self._recorder.written()

    async def synced(self) -> None:
        await self._recorder.synced()

    def earlier(self, key: str) -> Exchange | None:
        """Return the answered request with this key where the answer was there before this process began."""
        return self.known.exchange(key) if key in self._earlier else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequest:
    """A request of a conversation under its key, its deadline on the clock, and how it has failed so far."""

    conversation: Conversation
    step: Send
    key: str
    judge: str | None
    deadline: float
    prefix: SharedPrefix | None = None
    failures: Failures = field(default_factory=Failures)

    @property
    def model(self) -> str:
        return self.step.request.model


def key_of(conversation: Conversation, step: Send, *, judge: str | None = None) -> str:
    """Return the key of a request of a conversation; `judge` labels a question to a judge."""
    whose = conversation.identity.key_parts
    return step.request.key(whose if judge is None else (*whose, judge))


@dataclass(slots=True, kw_only=True, eq=False)
class Sender:
    """Sends the requests of all conversations of a run, each in the same order of steps.

    Without `messages` nothing is ever sent: every reply comes from the recording. `pace` is what all requests
    of the run share, whoever sends them. `waiting` are the tasks that wait until they may send.
    """

    messages: Messages | None
    recording: RecordedReplies | None
    prices: Prices
    pace: Pace
    stop: StopSignal
    clock: Clock
    progress: Progress
    deadlines: Deadlines = field(default_factory=Deadlines)
    waiting: set[asyncio.Task[object]] = field(default_factory=set)
    _in_flight: int = 0

    def set_aside(self, exchange: Exchange, reason: str, *, log: JournalledLog, conversation_id: str) -> bool:
        """Let a reply that cannot be used count no longer, so that `ask` asks for it again.

        Return whether it was: only what an earlier process was given, of this run or of a recorded one, is
        asked for again, each time once, and only where something may be sent.
        """
        is_earlier = exchange.replayed or log.earlier(exchange.key) is exchange
        if self.messages is None or not is_earlier:
            return False
        log.append(
            SetAside(
                conversation_id=conversation_id,
                turn=exchange.turn,
                key=exchange.key,
                reason=reason,
                at=self.clock.now(),
            )
        )
        return True

    async def ask(
        self,
        conversation: Conversation,
        step: Send,
        *,
        log: JournalledLog,
        deadline: float,
        judge: str | None = None,
    ) -> Exchange:
        """Get the reply to `step` into the log, from the recording or from the API; return the exchange.

        `judge` labels a question to a judge. Raises RequestFailedError when it is given up, HaltedError when
        the run is being stopped.
        """
        key = key_of(conversation, step, judge=judge)
        # Others may read from the cache what this request writes to it, or it what they do.
        prefix = log.prefix(step.request) if judge is None else shared_prefix(step.request)
        pending = PendingRequest(
            conversation=conversation, step=step, key=key, judge=judge, deadline=deadline, prefix=prefix
        )

        # Known: a resumed conversation may have the reply already, or may have asked and got none.
        if (known := log.known.exchange(key)) is not None:
            return known
        if not log.known.was_asked(key):
            log.ask(
                Asked(conversation_id=conversation.id, turn=step.turn, key=key, sent=step.sent, judge=judge)
            )

        # Possible at all: what can never leave is no attempt, live and in a replay alike.
        if (problem := step.request.problem) is not None:
            failure = Failure(kind="invalid_request", message=problem, may_retry=False, paid="no")
            raise RequestFailedError(failure)

        # Recorded: taken for nothing, but for what was set aside; where nothing may be sent, nobody else can
        # answer.
        asked_again = self.messages is not None and log.known.was_set_aside(key)
        if not asked_again and (recorded := self._recorded(pending)) is not None:
            return log.answer(recorded)

        # Priced: what the API counted of a conversation bounds its next request, but no question to a judge.
        worst_usd = self.prices.worst(step, log.known.exchanges if judge is None else ())

        while True:
            self.stop.check()
            try:
                exchange = await self._attempt(pending, log, worst_usd)
                await log.synced()
            except RequestFailedError as error:
                # Retried after a while, or given up: alone, or with all that would fail in the same way.
                with self._waits():
                    await self._wait_to_retry(error, pending)
            else:
                return exchange

    async def _attempt(
        self, pending: PendingRequest, log: JournalledLog, worst_usd: Decimal | None
    ) -> Exchange:
        """Make one attempt as soon as it may be made."""
        async with AsyncExitStack() as held:
            # Cached, paced and budgeted: wait for each, no longer than the conversation may last.
            with self._waits():
                n = log.known.tries(pending.key) + 1
                admission = await self._let_out(held, pending, worst_usd, n=n)
            # Sent: the attempt is journalled before it leaves, its end before anything follows.
            self._announce(pending, log, admission.worst_usd)
            await self._confirm(pending, log, admission, n=n)
            received = self._received(pending, admission)
            return await self._end(pending, log, admission, n=n, received=received)

    @contextmanager
    def _waits(self) -> Iterator[None]:
        """Count the current task among those that only wait to send something: a stop ends them at once."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines run in tasks
        self.waiting.add(task)
        try:
            yield
        finally:
            self.waiting.discard(task)

    def _recorded(self, pending: PendingRequest) -> Replied | None:
        """Return the recorded reply; RequestFailedError where there is none and nothing may be sent."""
        step, conversation = pending.step, pending.conversation
        found = self.recording.find(pending.key) if self.recording else None
        if found is not None:
            return Replied(
                conversation_id=conversation.id,
                turn=step.turn,
                key=pending.key,
                n=0,
                reply=found.reply,
                request_id=found.request_id,
                latency_s=found.latency_s,
                cost_usd=found.cost_usd,
                simulated=found.simulated,
                replayed=True,
                at=found.received_at or self.clock.now(),
            )
        if self.messages is not None:
            return None
        message = "nothing may be sent, and there is no recording"
        if self.recording is not None and pending.judge is not None:
            message = "this question to it was not recorded"
        elif self.recording is not None:
            message = self.recording.explain(step.request, conversation.id)
        raise RequestFailedError(Failure(kind="not_recorded", message=message, may_retry=False, paid="no"))

    async def _let_out(
        self, held: AsyncExitStack, pending: PendingRequest, worst_usd: Decimal | None, *, n: int
    ) -> Admission:
        """Wait for all that must be free; give up at the deadline, before the attempt is written down."""
        message = "the conversation's time was over before its next request could be sent"
        late = RequestFailedError(Failure(kind="deadline", message=message, may_retry=False, paid="no"))
        begin = self.clock.monotonic()
        left_s = pending.deadline - begin
        if left_s <= 0:
            raise late
        wanted = Wanted(
            conversation_id=pending.conversation.id,
            key=pending.key,
            n=n,
            model=pending.model,
            prefix=pending.prefix,
            worst_usd=worst_usd,
            within_s=left_s,
        )
        try:
            admission = await self.clock.within(left_s, held.enter_async_context(self.pace.admitted(wanted)))
        except TimeoutError as error:
            raise late from error
        pending.failures.excuse(self.clock.monotonic() - begin)
        return admission

    def _announce(
        self,
        pending: PendingRequest,
        log: JournalledLog,
        worst_usd: Decimal | None,
        *,
        in_batch: bool = False,
    ) -> int:
        """Write an attempt down before it is made, and return its number."""
        n = log.known.tries(pending.key) + 1
        log.append(
            Attempted(
                conversation_id=pending.conversation.id,
                turn=pending.step.turn,
                key=pending.key,
                n=n,
                worst_cost_usd=worst_usd,
                in_batch=in_batch,
                at=self.clock.now(),
            )
        )
        return n

    async def _confirm(
        self, pending: PendingRequest, log: JournalledLog, admission: Admission, *, n: int
    ) -> None:
        """Make sure that an attempt is written down and may still leave; one that may not costs nothing."""
        try:
            await log.written()
            await admission.confirm()
        except (HaltedError, asyncio.CancelledError):
            failure = Failure(
                kind="canceled", message="not sent: the run was stopped first", may_retry=False, paid="no"
            )
            log.append(self._failure(pending, failure, n=n))
            admission.paid_usd = Decimal(0)
            raise

    async def _end(
        self,
        pending: PendingRequest,
        log: JournalledLog,
        charged: Charged,
        *,
        n: int,
        received: Awaitable[Received],
    ) -> Exchange:
        """Await what an attempt brings, write it down, and say what it cost."""
        conversation_id, turn, key = pending.conversation.id, pending.step.turn, pending.key
        begin = self.clock.monotonic()
        try:
            came = await received
        except RequestFailedError as error:
            log.append(self._failure(pending, error.failure, n=n))
            charged.paid_usd = Decimal(0) if error.failure.paid == "no" else None
            raise
        cost = self.prices.paid(pending.step.request, came.reply.body)
        exchange = log.answer(
            Replied(
                conversation_id=conversation_id,
                turn=turn,
                key=key,
                n=n,
                reply=came.reply,
                request_id=came.request_id,
                latency_s=round(self.clock.monotonic() - begin, 3),
                cost_usd=cost,
                simulated=came.simulated,
                replayed=False,
                at=self.clock.now(),
            )
        )
        charged.paid_usd = cost
        # Another model that answers everything is as good as none: each of its replies is paid for nothing.
        other = pending.conversation.served.problem(pending.model, came.reply.model)
        await self.pace.replied(pending.model, came.headers, other=other)
        return exchange

    def _failure(self, pending: PendingRequest, failure: Failure, *, n: int) -> Failed:
        return Failed(
            conversation_id=pending.conversation.id,
            turn=pending.step.turn,
            key=pending.key,
            n=n,
            failure=failure,
            at=self.clock.now(),
        )

    async def _received(self, pending: PendingRequest, admission: Admission | None = None) -> Received:
        """Send within the deadlines of the attempt and of the conversation, seen by whoever watches."""
        assert self.messages is not None  # noqa: S101 - `_recorded` has raised otherwise
        seconds = min(self.deadlines.attempt_s, pending.deadline - self.clock.monotonic())
        self._in_flight += 1
        self.progress.in_flight(self._in_flight)
        self.progress.asking(pending.conversation, pending.step.turn if pending.judge is None else None)
        try:
            # Whoever waits for the reply to begin does not wait for its end.
            is_waited_for = admission is not None and admission.is_waited_for
            began = admission.began if admission is not None and is_waited_for else None
            received = await self.clock.within(seconds, self.messages.send(pending.step.request, began=began))
        except TimeoutError as error:
            message = f"no whole reply within {seconds:.0f} s"
            raise RequestFailedError(Failure(kind="deadline", message=message)) from error
        finally:
            self._in_flight -= 1
            self.progress.in_flight(self._in_flight)
        if admission is not None:
            admission.began(received.reply.usage)
        return received

    async def _wait_to_retry(self, error: RequestFailedError, pending: PendingRequest) -> None:
        """Wait before the next attempt, or raise: the error again, or HaltedError when the run is over."""
        now = self.clock.monotonic()
        if is_transient(error.failure):
            pending.failures.add(error.failure, key=pending.key, now=now)
        wait_s = await self.pace.failed(
            FailedRequest(
                model=pending.model,
                key=pending.key,
                failure=error.failure,
                lasted_s=pending.failures.lasted_s(now),
                attempts=pending.failures.attempts,
                billed=pending.failures.billed,
                left_s=pending.deadline - now,
            )
        )
        if wait_s is None:
            raise error
        self.stop.check()
        if wait_s > 0:
            await self.clock.sleep(wait_s)
