"""An API, a journal and time that tests can script: no socket, no disk, no waiting."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from claude_run.checks.registry import default_registry
from claude_run.conversation.exchange import Failure, Reply
from claude_run.conversation.identity import PARTS, Identity
from claude_run.conversation.log import ConversationLog
from claude_run.conversation.script import Conversation
from claude_run.conversation.usage import Usage
from claude_run.play.batch import Crowd
from claude_run.play.batch_queue import BatchQueue
from claude_run.play.batch_sender import BatchSender
from claude_run.play.budget import Budget
from claude_run.play.pace import RunPace
from claude_run.play.pacing import AdaptivePacing
from claude_run.play.ports import (
    BatchState,
    Deadlines,
    PackedRequest,
    Received,
    RequestFailedError,
)
from claude_run.play.prefixes import Prefixes
from claude_run.play.retry import RetryPolicy
from claude_run.play.runner import LocalExecutor, PlayContext, Player
from claude_run.play.sender import Sender
from claude_run.play.stop import StopSignal
from claude_run.scenario.model import Expectation, Position, Save, Text, UserTurn

if TYPE_CHECKING:
    from claude_run.conversation.events import Event
    from claude_run.conversation.exchange import Exchange, Request
    from claude_run.conversation.steps import Send
    from claude_run.conversation.transcript import Transcript
    from claude_run.play.batch import BatchLimits
    from claude_run.play.batch_calls import BatchTimes
    from claude_run.play.ports import RecordedReplies, Spending
    from claude_run.play.stop import Halt
    from claude_run.record.history import Submitted
    from claude_run.scenario.json_values import JsonObject

T = TypeVar("T")
HERE = Position(path="scenarios/test.yaml", line=1, column=1)
EPOCH = "2026-11-23T12:00:00.000Z"


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that does not wait for a timeout but lets the clock jump there."""

    jumped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.jumped += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while everything waits, and then at once."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.jumped


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


class LoopClock:
    """The loop's own time."""

    def now(self) -> str:
        return EPOCH

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        async with asyncio.timeout(seconds):
            return await work


def message(text: str = "ok", **fields: Any) -> dict[str, Any]:
    """Return a whole API message."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
        **fields,
    }


def failure(status: int, **fields: Any) -> Failure:
    """Return the failure of an error status that costs nothing."""
    return Failure(kind="status", status=status, message=f"{status} from the test", paid="no", **fields)


Answer = Callable[["Request", int], "dict[str, Any] | Failure"]


@dataclass(kw_only=True)
class FakeMessages:
    """Answers the n-th request (from 1) with what `answer` returns.

    A reply begins after `latency_s` seconds and takes `writing_s` more to its end.
    """

    answer: Answer = lambda request, _n: message(model=request.model)
    latency_s: float = 0.1
    writing_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    active: int = 0
    peak: int = 0

    async def send(self, request: Request, *, began: Callable[[Usage], None] | None = None) -> Received:
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        number = len(self.requests)
        self.active += 1
        self.peak = max(self.peak, self.active)
        try:
            await asyncio.sleep(self.latency_s)
            answer = self.answer(request, number)
            if began is not None and not isinstance(answer, Failure):
                began(Usage.from_api(answer["usage"]))
            await asyncio.sleep(self.writing_s)
        finally:
            self.active -= 1
        if isinstance(answer, Failure):
            raise RequestFailedError(answer)
        return Received(reply=Reply.from_body(answer), request_id=f"req_{number}", headers=self.headers)


class MemoryRecorder:
    """Keeps events in memory, safe after `sync_s` seconds; `broken` makes every append fail with it."""

    def __init__(self, *, sync_s: float = 0.0) -> None:
        self.events: list[Event] = []
        self.lines: list[dict[str, Any]] = []
        self.sync_s = sync_s
        self.broken: Exception | None = None

    def append(self, *events: Event) -> None:
        if self.broken is not None:
            raise self.broken
        self.events += events

    def append_run(self, what: str, **fields: Any) -> None:
        if self.broken is not None:
            raise self.broken
        self.lines.append({"what": what, **fields})

    async def written(self) -> None:
        """Return at once: what is in memory is as good as written."""

    async def synced(self) -> None:
        await asyncio.sleep(self.sync_s)


@dataclass
class FakeProgress:
    """Remembers what progress was told."""

    totals: list[dict[str, int]] = field(default_factory=list)
    asked: list[tuple[str, int | None]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    finished_ids: list[str] = field(default_factory=list)
    transcripts: list[Transcript] = field(default_factory=list)
    waits: list[tuple[str, float, str]] = field(default_factory=list)
    outages: list[tuple[str, float, str]] = field(default_factory=list)
    resumptions: list[str] = field(default_factory=list)
    peak: int = 0
    ended: bool = False

    def begin(self, totals: Mapping[str, int], spending: Spending) -> None:
        self.totals.append(dict(totals))
        self.spending = spending

    def asking(self, conversation: Conversation, turn: int | None) -> None:
        self.asked.append((conversation.id, turn))

    def left(self, conversation_id: str) -> None:
        self.gone.append(conversation_id)

    def in_flight(self, count: int) -> None:
        self.peak = max(self.peak, count)

    def waiting(self, what: str, seconds: float, reason: str) -> None:
        self.waits.append((what, seconds, reason))

    def outage(self, model: str, seconds: float, reason: str) -> None:
        self.outages.append((model, seconds, reason))

    def resumed(self, what: str) -> None:
        self.resumptions.append(what)

    def finished(self, transcript: Transcript) -> None:
        self.finished_ids.append(transcript.started.conversation_id)
        self.transcripts.append(transcript)

    def end(self) -> None:
        self.ended = True


@dataclass(frozen=True)
class FlatPrices:
    """Every reply costs `paid_usd`, and no more than `worst_usd`."""

    paid_usd: Decimal | None = Decimal("0.01")
    worst_usd: Decimal | None = Decimal("0.02")

    def worst(self, step: Send, exchanges: Sequence[Exchange]) -> Decimal | None:  # noqa: ARG002 - the port's shape
        return self.worst_usd

    def worst_batched(self, step: Send, exchanges: Sequence[Exchange]) -> Decimal | None:  # noqa: ARG002 - the port's shape
        return None if self.worst_usd is None else self.worst_usd / 2

    def paid(self, request: Request, body: JsonObject) -> Decimal | None:  # noqa: ARG002 - the port's shape
        return self.paid_usd


@dataclass(kw_only=True)
class FakeBatches:
    """A Message Batches API: a batch ends `delay_s` seconds after it was submitted.

    `answer` gives the message or the failure of a request, by its parameters and its id. `trouble` are the
    failures of calls by their name, each used once; a submission that fails with `paid: maybe` was taken.
    """

    answer: Callable[[dict[str, Any], str], dict[str, Any] | Failure] = lambda _params, _id: message()
    delay_s: float = 600.0
    trouble: dict[str, list[Failure]] = field(default_factory=dict)
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)

    @property
    def sizes(self) -> list[int]:
        """How many requests each batch has."""
        return [len(batch) for batch in self.taken.values()]

    def pack(self, request: Request) -> PackedRequest:
        return PackedRequest(content=json.dumps(request.body).encode())

    async def submit(self, items: Sequence[tuple[str, bytes]], headers: Mapping[str, str]) -> BatchState:  # noqa: ARG002 - the port's shape
        failure = self._failure("submit")
        if failure is None or failure.paid == "maybe":
            self.put({name: json.loads(content) for name, content in items})
        if failure is not None:
            raise RequestFailedError(failure)
        return self._state([*self.taken][-1])

    def put(self, requests: dict[str, Any]) -> str:
        """Take a batch, of whomever."""
        name = f"msgbatch_{len(self.taken) + 1}"
        self.taken[name] = requests
        self.began[name] = asyncio.get_running_loop().time()
        return name

    async def state(self, batch: str, headers: Mapping[str, str]) -> BatchState:  # noqa: ARG002 - same
        self._fail("state")
        return self._state(batch)

    async def listed(self, headers: Mapping[str, str]) -> AsyncIterator[BatchState]:  # noqa: ARG002 - same
        self._fail("listed")
        for name in reversed(self.taken):
            yield self._state(name)

    async def results(
        self,
        batch: str,
        headers: Mapping[str, str],  # noqa: ARG002 - same
    ) -> AsyncIterator[tuple[str, Received | Failure]]:
        self.calls.append("results")
        for number, (name, params) in enumerate(self.taken[batch].items()):
            if number == 1:
                self._fail("results")
            if name in self.left_out:
                continue
            found = self.answer(params, name)
            if batch in self.canceled:
                found = Failure(kind="canceled", message="canceled", paid="no")
            if isinstance(found, dict):
                yield name, Received(reply=Reply.from_body(found), request_id=batch)
            else:
                yield name, found
            await asyncio.sleep(0)

    async def cancel(self, batch: str, headers: Mapping[str, str]) -> None:  # noqa: ARG002 - same
        self._fail("cancel")
        self.canceled.add(batch)

    def _state(self, name: str) -> BatchState:
        lasted_s = asyncio.get_running_loop().time() - self.began[name]
        return BatchState(
            id=name,
            size=len(self.taken[name]),
            ended=lasted_s >= self.delay_s or name in self.canceled,
            created_at=f"2026-11-23T12:00:{len(name):02}Z",
        )

    def _fail(self, call: str) -> None:
        if (failure := self._failure(call)) is not None:
            raise RequestFailedError(failure)

    def _failure(self, call: str) -> Failure | None:
        self.calls.append(call)
        waiting = self.trouble.get(call)
        return waiting.pop(0) if waiting else None


@dataclass(kw_only=True)
class FakedRun:
    """A run whose API, journal, prices and clock are faked; `play` plays it."""

    messages: FakeMessages | None = field(default_factory=FakeMessages)
    recording: RecordedReplies | None = None
    prices: FlatPrices = field(default_factory=FlatPrices)
    concurrency: int = 20
    max_requests: int | None = None
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    cap: Decimal | None = None
    spent: Decimal = Decimal(0)
    attempts: int = 0
    max_failures: int | None = None
    ask_again: bool = False
    conversation_s: float = 3600.0
    accepted: Callable[[Conversation, int], str | None] = lambda _conversation, _turn: None
    recorder: MemoryRecorder = field(default_factory=MemoryRecorder)
    progress: FakeProgress = field(default_factory=FakeProgress)
    batches: FakeBatches | None = None
    submitted: Submitted | None = None
    proven: frozenset[str] = frozenset()
    limits: BatchLimits | None = None
    times: BatchTimes | None = None

    def play(
        self,
        conversations: Sequence[Conversation],
        *,
        earlier: Mapping[str, Sequence[Event]] | None = None,
        meanwhile: Callable[[StopSignal], Awaitable[None]] | None = None,
    ) -> Halt | None:
        """Play to the end; `meanwhile` runs beside it and may request a stop."""
        return run(self._play(conversations, earlier or {}, meanwhile))

    async def _play(
        self,
        conversations: Sequence[Conversation],
        earlier: Mapping[str, Sequence[Event]],
        meanwhile: Callable[[StopSignal], Awaitable[None]] | None,
    ) -> Halt | None:
        stop, crowd = StopSignal(), Crowd()
        logs = {name: ConversationLog(events) for name, events in earlier.items()}
        self.budget = Budget(
            self.cap,
            stop=stop,
            max_requests=self.max_requests,
            spent_usd=self.spent,
            attempts=self.attempts,
            crowd=crowd,
        )
        async with AsyncExitStack() as stack:
            player = self._player(stop, crowd, await self._sender(stop, crowd, stack))
            return await self._beside(player.play(conversations, logs), meanwhile, stop)

    async def _sender(self, stop: StopSignal, crowd: Crowd, stack: AsyncExitStack) -> Callable[..., Sender]:
        """Return what makes the sender: a live one, or one whose batches are looked after until the end."""
        if self.batches is None:
            return Sender
        queue = BatchQueue(
            self.batches,
            self.recorder,
            crowd=crowd,
            stop=stop,
            clock=LoopClock(),
            progress=self.progress,
            policy=self.policy,
            earlier=self.submitted,
            proven=self.proven,
            limits=self.limits,
            times=self.times,
            chance=lambda: 0.5,
        )
        self.queue = await stack.enter_async_context(queue)
        return partial(BatchSender, queue=queue, batch_prices=self.prices)

    def _player(self, stop: StopSignal, crowd: Crowd, make: Callable[..., Sender]) -> Player:
        clock = LoopClock()
        deadlines = Deadlines(conversation_s=self.conversation_s)
        pace = RunPace(
            budget=self.budget,
            pacing=AdaptivePacing(ceiling=self.concurrency, clock=clock),
            prefixes=Prefixes(clock),
            stop=stop,
            clock=clock,
            progress=self.progress,
            deadlines=deadlines,
            policy=self.policy,
            chance=lambda: 0.5,
        )
        sender = make(
            messages=self.messages,
            recording=self.recording,
            prices=self.prices,
            pace=pace,
            stop=stop,
            clock=clock,
            progress=self.progress,
            deadlines=deadlines,
        )
        context = PlayContext(
            sender=sender,
            recorder=self.recorder,
            registry=default_registry(),
            stop=stop,
            clock=clock,
            accepted=self.accepted,
            ask_again=self.ask_again,
        )
        return Player(
            executor=LocalExecutor(context),
            stop=stop,
            clock=clock,
            progress=self.progress,
            spending=self.budget,
            concurrency=self.concurrency,
            crowd=crowd,
            max_failures=self.max_failures,
        )

    async def _beside(
        self,
        play: Coroutine[Any, Any, Halt | None],
        meanwhile: Callable[[StopSignal], Awaitable[None]] | None,
        stop: StopSignal,
    ) -> Halt | None:
        if meanwhile is None:
            return await play
        playing = asyncio.ensure_future(play)
        observer = asyncio.ensure_future(meanwhile(stop))
        await asyncio.wait({playing, observer}, return_when=asyncio.FIRST_COMPLETED)
        if observer.done():
            observer.result()
        halt = await playing
        observer.cancel()
        return halt


def text(source: str) -> Text:
    """Return a template."""
    return Text(source=source, position=HERE)


def user(source: str, *expect: tuple[str, Any], save: dict[str, str] | None = None) -> UserTurn:
    """Return a user turn; expectations are pairs of kind and value."""
    return UserTurn(
        content=text(source),
        expect=tuple(Expectation(kind=kind, value=value, position=HERE) for kind, value in expect),
        save=tuple(Save(name=n, pattern=p, position=HERE) for n, p in (save or {}).items()),
        position=HERE,
    )


def conversation(name: str = "test", *turns: UserTurn, **fields: Any) -> Conversation:
    """Return a conversation of the given turns, or of two plain ones."""
    identity: dict[str, Any] = {
        "id": f"{name}/claude-haiku-5-5",
        "scenario": name,
        "path": HERE.path,
        "model": "claude-haiku-5-5",
        "model_label": "claude-haiku-5-5",
    }
    identity.update({part: fields.pop(part) for part in ("id", *PARTS) if part in fields})
    return Conversation(
        **{
            "identity": Identity(**identity),
            "position": HERE,
            "params": {"max_tokens": 100},
            "turns": turns or (user("first"), user("second")),
            **fields,
        }
    )
