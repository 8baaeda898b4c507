"""A cluster in one process: actors that are called by copies, and lost whenever a test says.

What a process asks of others after its death never leaves it; one that was only cut off goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import pickle
import zlib
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakValueDictionary

from claude_run.checks.registry import default_registry
from claude_run.cluster.actors import ActorLostError
from claude_run.cluster.executor import Cluster, ClusterRun, Seat, playing
from claude_run.cluster.pace import Pace, Terms
from claude_run.cluster.player import Player
from claude_run.cluster.recorder import Recorder
from claude_run.conversation.events import Attempted, Failed, Replied
from claude_run.play.ports import Deadlines, RequestFailedError
from claude_run.play.runner import PlayContext
from claude_run.play.runner import Player as Driver
from claude_run.play.sender import Sender
from claude_run.play.stop import StopSignal
from claude_run.record.codec import decode
from claude_run.record.disk import LocalDisk
from claude_run.record.journal import Journal, read_lines
from tests.unit.play.fakes import FakeMessages, FakeProgress, FlatPrices, LoopClock, VirtualLoop, message

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from claude_run.cluster.actors import Actor
    from claude_run.cluster.player import Hello, PlayerPorts
    from claude_run.conversation.events import Event
    from claude_run.conversation.exchange import Request
    from claude_run.conversation.log import ConversationLog
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.conversation.usage import Usage
    from claude_run.play.ports import Clock, OwnChecks, Prices, Received, RecordedReplies
    from claude_run.play.stop import Halt
    from claude_run.record.redact import Redactor

T = TypeVar("T")
MODEL = "claude-haiku-5-5"


class _Loop(VirtualLoop):
    """Virtual time, in which what a thread would do is done at once."""

    def run_in_executor(  # type: ignore[override] # one shape of the many
        self,
        executor: Executor | None,  # noqa: ARG002 - the loop's shape
        func: Callable[..., T],
        *args: Any,
    ) -> asyncio.Future[T]:
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except OSError as error:
            done.set_exception(error)
        return done


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)


async def passed(seconds: float = 0.01) -> None:
    """Let everything happen that can."""
    await asyncio.sleep(seconds)


class Shared:
    """What all processes of a test have in common: its pickle says only which one it is."""

    _all: ClassVar[WeakValueDictionary[int, Shared]] = WeakValueDictionary()

    def __init__(self) -> None:
        self._all[id(self)] = self

    def __reduce__(self) -> tuple[Any, ...]:
        return _shared, (id(self),)


def _shared(key: int) -> Shared:
    return Shared._all[key]  # noqa: SLF001 - of this module


@dataclass(slots=True, kw_only=True, eq=False)
class Process:
    """One life of an actor. Whoever waits for an answer of it is told when it is lost."""

    object: Any = None
    is_dead: bool = False
    is_cut_off: bool = False
    pending: set[asyncio.Future[Any]] = field(default_factory=set)


_HERE: contextvars.ContextVar[Process | None] = contextvars.ContextVar("here", default=None)
"""The process that the current task is a part of; None for the driver."""


def alive() -> None:
    """End the current task where the process is dead that it is a part of: it does nothing more."""
    here = _HERE.get()
    if here is not None and here.is_dead:
        raise asyncio.CancelledError


@dataclass(kw_only=True, eq=False)
class Network:
    """How long calls are on their way, one way, in seconds; `at` holds what happens at which step of all."""

    seed: int = 0
    latest_s: float = 0.002
    at: dict[int, Callable[[], None]] = field(default_factory=dict)
    steps: int = 0

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - for tests

    def step(self) -> None:
        """Note that something is about to happen between processes, and let happen what a test wants then."""
        self.steps += 1
        if (happens := self.at.pop(self.steps, None)) is not None:
            happens()

    async def carry(self) -> None:
        """Be on the way to another process."""
        self.step()
        alive()
        await asyncio.sleep(self._random.uniform(0, self.latest_s))
        self.step()


class FakeActor(Shared):
    """An object that is called as if it were in another process; satisfies `cluster.actors.Actor`.

    A new one takes its place `back_s` seconds after it was lost; None: never. `closes` is what the operating
    system does when the process is dead.
    """

    def __init__(
        self,
        network: Network,
        make: Callable[[], object],
        *,
        back_s: float | None = None,
        closes: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.lives = 0
        self._network = network
        self._make = make
        self._back_s = back_s
        self._closes = closes
        self._begin()

    def _begin(self) -> None:
        self.lives += 1
        self.process = Process()
        self.process.object = self._make()

    async def call(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        alive()
        self.calls.append(method)
        copied = pickle.dumps((arguments, keywords))
        await self._network.carry()
        target = self.process
        if target.is_dead or (target.is_cut_off and _HERE.get() is None):
            raise ActorLostError("the process is gone")
        answer = asyncio.get_running_loop().create_future()
        target.pending.add(answer)
        there = contextvars.copy_context()
        there.run(_HERE.set, target)
        work = asyncio.create_task(self._answer(target, method, copied, answer), context=there)
        try:
            answered = await answer
        finally:
            target.pending.discard(answer)
            del work
        alive()
        is_good, value = pickle.loads(answered)  # noqa: S301 - of this module
        if is_good:
            return value
        raise value

    async def _answer(
        self, target: Process, method: str, copied: bytes, answer: asyncio.Future[bytes]
    ) -> None:
        arguments, keywords = pickle.loads(copied)  # noqa: S301 - of this module
        try:
            told: tuple[bool, Any] = True, await getattr(target.object, method)(*arguments, **keywords)
        except Exception as error:  # noqa: BLE001 - it goes to who has called
            told = False, error
        answered = pickle.dumps(told)
        await self._network.carry()
        if not answer.done() and not (target.is_dead or target.is_cut_off):
            answer.set_result(answered)

    def kill(self) -> None:
        """End the process; a new one comes where that is so."""
        if not self.process.is_dead:
            self.process.is_dead = True
            self._lose()

    def cut_off(self) -> None:
        """Let the driver reach the process no more, which knows nothing of it; a new one comes besides."""
        if not self.process.is_dead and not self.process.is_cut_off:
            self.process.is_cut_off = True
            self._lose()

    def restart(self) -> None:
        self.kill()

    def end(self) -> None:
        self._back_s = None
        self.kill()

    def _lose(self) -> None:
        self._closes()
        for answer in self.process.pending:
            if not answer.done():
                answer.set_exception(ActorLostError("the process is gone"))
        if self._back_s is not None:
            asyncio.get_running_loop().call_later(self._back_s, self._come_back)

    def _come_back(self) -> None:
        if self._back_s is not None:
            self._begin()


class CountingDisk(LocalDisk):
    """The real disk, which counts lines written and synced, and can close all that a process has open."""

    def __init__(self) -> None:
        self.written = self.synced = 0
        self.broken: OSError | None = None
        self._open: set[int] = set()

    def open(self, path: Path, flags: int) -> int:
        descriptor = super().open(path, flags)
        self._open.add(descriptor)
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        if self.broken is not None:
            raise self.broken
        self.written += data.count(b"\n")
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:  # noqa: ARG002 - no test loses power, and syncs are slow
        self.synced = self.written

    def close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        super().close(descriptor)

    def close_all(self) -> None:
        """Close what a process had open that is dead."""
        for descriptor in [*self._open]:
            self.close(descriptor)


@dataclass(frozen=True)
class MixedPrices:
    """Prices that differ from request to request; of one reply in five nobody knows what it cost."""

    def worst(self, step: Any, exchanges: Sequence[object]) -> Decimal | None:  # noqa: ARG002 - the port's shape
        return self.worst_of(step.request)

    def worst_of(self, request: Request) -> Decimal:
        """Return the worst case of a request."""
        return Decimal(_digest(request) % 5 + 1) / 100

    def paid(self, request: Request, body: Mapping[str, Any]) -> Decimal | None:  # noqa: ARG002 - the port's shape
        return None if _digest(request) % 5 == 0 else self.worst_of(request) * (_digest(request) % 4 + 1) / 4


def _digest(request: Request) -> int:
    return zlib.crc32(json.dumps(request.body).encode())


def echo(request: Request, _number: int) -> dict[str, Any]:
    """Answer with what only this request is answered with."""
    return message(f"to {_digest(request):08x}", model=request.model)


class FakeApi(Shared):
    """The API, to which all players of a test send; it keeps its own account of what they owe in US dollars.

    What is not known to be cheaper counts at its worst: a request under way, one that failed, and one whose
    price nobody knows.
    """

    def __init__(self, messages: FakeMessages | None = None, network: Network | None = None) -> None:
        super().__init__()
        self.messages = messages or FakeMessages(answer=echo)
        self.prices: MixedPrices | None = None
        self.owed = self.most_owed = Decimal(0)
        self._network = network

    async def send(self, request: Request, *, began: Callable[[Usage], None] | None = None) -> Received:
        alive()
        self._step()
        worst = self.prices.worst_of(request) if self.prices else Decimal(0)
        self.owed += worst
        self.most_owed = max(self.most_owed, self.owed)
        try:
            received = await self.messages.send(request, began=began)
        except RequestFailedError as error:
            if error.failure.paid == "no":
                self.owed -= worst
            raise
        finally:
            self._step()
            alive()
        paid = self.prices.paid(request, received.reply.body) if self.prices else None
        self.owed -= worst - (worst if paid is None else paid)
        return replace(received, request_id=f"req_{_digest(request):08x}")

    def _step(self) -> None:
        if self._network is not None:
            self._network.step()


@dataclass(kw_only=True, eq=False)
class FakeKit(Shared):
    """What the players of a test play; satisfies `cluster.player.Kit`."""

    conversations: Sequence[Conversation]
    api: FakeApi | None = field(default_factory=FakeApi)
    prices: Prices = field(default_factory=FlatPrices)
    own_checks: OwnChecks | None = None
    trouble: Exception | None = None
    clock: Clock = field(default_factory=LoopClock)

    def __post_init__(self) -> None:
        super().__init__()

    async def connect(
        self,
        stack: AsyncExitStack,  # noqa: ARG002 - the port's shape
        redactor: Redactor,  # noqa: ARG002 - same
        say: Callable[[str], None],
    ) -> Callable[[PlayerPorts], PlayContext]:
        if self.trouble is not None:
            raise self.trouble
        say("connected")

        def context(ports: PlayerPorts) -> PlayContext:
            return PlayContext(
                sender=Sender(
                    messages=self.api,
                    recording=ports.recording,
                    prices=self.prices,
                    pace=ports.pace,
                    stop=ports.stop,
                    clock=self.clock,
                    progress=ports.progress,
                    deadlines=Deadlines(),
                ),
                recorder=ports.recorder,
                registry=default_registry(),
                stop=ports.stop,
                clock=self.clock,
                own_checks=self.own_checks,
                ask_again=ports.ask_again,
            )

        return context


@dataclass(frozen=True, kw_only=True)
class _Load:
    kit: FakeKit

    def __call__(self) -> FakeKit:
        return self.kit


@dataclass(kw_only=True)
class FakeCluster:
    """A run on players in this process. Everything about it is as it is with Ray, but for the processes.

    `players` of them, each of which comes back `back_s` seconds after it was lost. What is `planned` is
    played, or else all that the kit has.
    """

    kit: FakeKit
    folder: Path
    players: int = 2
    back_s: float | None = 0.5
    concurrency: int = 20
    cap: Decimal | None = None
    max_requests: int | None = None
    max_failures: int | None = None
    ask_again: bool = False
    recorded: Callable[[Conversation], RecordedReplies | None] = lambda _conversation: None
    network: Network = field(default_factory=Network)
    disk: CountingDisk = field(default_factory=CountingDisk)
    progress: FakeProgress = field(default_factory=FakeProgress)
    said: list[str] = field(default_factory=list)
    earlier: Mapping[str, ConversationLog] = field(default_factory=dict)
    planned: Sequence[Conversation] | None = None

    def play(self, meanwhile: Callable[[StopSignal], Coroutine[Any, Any, None]] | None = None) -> Halt | None:
        """Play all conversations of the kit; return why the run ended early, or None."""
        return run(self._play(meanwhile))

    async def _play(self, meanwhile: Callable[[StopSignal], Coroutine[Any, Any, None]] | None) -> Halt | None:
        clock, stop = LoopClock(), StopSignal()
        self.pace = FakeActor(self.network, lambda: Pace(clock))
        self.recorder = FakeActor(self.network, lambda: Recorder(self.disk), closes=self.disk.close_all)
        self.actors = [
            FakeActor(self.network, lambda: Player(clock), back_s=self.back_s) for _ in range(self.players)
        ]
        cluster = Cluster(
            seats=[Seat(actor=actor, hello=await self._ready(actor)) for actor in self.actors],
            pace=self.pace,
            recorder=self.recorder,
            ready=self._ready,
        )
        places = {each.id: place for place, each in enumerate(self.kit.conversations)}
        run = ClusterRun(
            terms=Terms(concurrency=self.concurrency, cap_usd=self.cap, max_requests=self.max_requests),
            stop=stop,
            progress=self.progress,
            place_of=lambda conversation: places.get(conversation.id),
            recorded=self.recorded,
            say=self.said.append,
            ask_again=self.ask_again,
        )
        journal = Journal(self.folder / "journal.jsonl", disk=CountingDisk())
        beside = asyncio.create_task(meanwhile(stop)) if meanwhile else None
        try:
            async with playing(cluster, run, journal) as (executor, self.spending):
                self.driver = Driver(
                    executor=executor,
                    stop=stop,
                    clock=clock,
                    progress=self.progress,
                    spending=self.spending,
                    concurrency=self.concurrency,
                    max_failures=self.max_failures,
                )
                halt = await self.driver.play(self.planned or self.kit.conversations, self.earlier)
                # What is on its way to the pace is there soon, and nobody else is under way.
                await passed(1.5)
                return halt
        finally:
            if beside is not None:
                beside.cancel()
                with suppress(asyncio.CancelledError):
                    await beside
            journal.close()

    def lose(self, player: int, fate: str) -> None:
        """Lose a player by its place: `kill` it, or have it `cut_off`."""
        actor = self.actors[player]
        actor.kill() if fate == "kill" else actor.cut_off()

    async def _ready(self, actor: Actor, lost: str = "") -> Hello:
        while True:
            with suppress(ActorLostError):
                hello: Hello = await actor.call("hello")
                if hello.player != lost:
                    await actor.call("set_up", _Load(kit=self.kit))
                    return hello
            await asyncio.sleep(0.1)

    @property
    def gists(self) -> list[Any]:
        """What was told of each conversation that came to its end, by its id, without times."""
        told = sorted(self.progress.transcripts, key=lambda each: each.started.conversation_id)
        return list(map(gist, told))

    @property
    def events(self) -> list[Event]:
        """What stands in the journal."""
        lines = (line.value for line in read_lines(self.folder / "journal.jsonl"))
        return [decode(value) for value in lines if value["event"] not in {"journal", "run"}]

    @property
    def requests(self) -> Sequence[Request]:
        """What was sent."""
        return [] if self.kit.api is None else self.kit.api.messages.requests

    @property
    def lost_attempts(self) -> int:
        """How many attempts stand in the journal without what became of them."""
        ends = {(e.key, e.n) for e in self.events if isinstance(e, Replied | Failed)}
        return sum((e.key, e.n) not in ends for e in self.events if isinstance(e, Attempted))

    @property
    def booked_usd(self) -> Decimal:
        """What the journal says was spent: what was paid, and the worst of what nobody knows."""
        spent = dict[tuple[str, int], Decimal]()
        for event in self.events:
            match event:
                case Attempted():
                    spent[event.key, event.n] = event.worst_cost_usd or Decimal(0)
                case Replied(cost_usd=Decimal() as cost):
                    spent[event.key, event.n] = cost
                case Failed() if event.failure.paid == "no":
                    spent[event.key, event.n] = Decimal(0)
        return sum(spent.values(), Decimal(0))


def gist(transcript: Transcript) -> Any:
    """Return what was said in a conversation and what was found of it, without times and attempts."""
    turns = [
        (turn.number, turn.content, [each.reply.body for each in turn.exchanges], turn.checks)
        for turn in transcript.turns
    ]
    return (
        transcript.started.conversation_id,
        transcript.outcome,
        transcript.error,
        turns,
        transcript.cost_usd,
    )
