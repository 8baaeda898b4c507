"""The driver's side: hands conversations to players, and those of a lost player to another one."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from claude_run.cluster.actors import ActorLostError
from claude_run.cluster.pace import Asking, Outage, Resumed, Said, Waiting
from claude_run.cluster.player import Broken, Finished, Stopped, Task
from claude_run.conversation.events import Attempted, Failed, Replied
from claude_run.errors import ClaudeRunError, ExitCode, InputError, MeasureError
from claude_run.play.stop import FATAL_GRACE_S, Halt, HaltedError
from claude_run.record.disk import LocalDisk
from claude_run.record.journal import refuse_if_held

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

    from claude_run.cluster.actors import Actor
    from claude_run.cluster.pace import News, OpenLease, Terms, Told
    from claude_run.cluster.player import Answer, Hello
    from claude_run.conversation.events import Event
    from claude_run.conversation.log import ConversationLog
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.play.ports import Progress, RecordedReplies
    from claude_run.play.stop import StopSignal
    from claude_run.record.journal import Journal, Seal

T = TypeVar("T")

_LOST_IN_A_ROW = 20
"""Players lost without a conversation that ended in between, after which it is not chance any more."""
_TRIES, _TRY_S = 100, 0.1
_LEAVE_S = 2.0


@dataclass(slots=True, kw_only=True)
class RemoteSpending:
    """What the run has cost so far, as the pace has told it; satisfies `play.ports.Spending`."""

    cap_usd: Decimal | None
    spent_usd: Decimal
    paid_usd: Decimal = Decimal(0)


@dataclass(slots=True, kw_only=True, eq=False)
class Seat:
    """A player as the driver knows it: the process that it is now, and which conversations it plays."""

    actor: Actor
    hello: Hello
    playing: set[str] = field(default_factory=set)
    is_there: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The actors of a run, the players ready.

    `ready` makes one so again, once another process has taken the place of the player that is named.
    """

    seats: Sequence[Seat]
    pace: Actor
    recorder: Actor
    ready: Callable[[Actor, str], Awaitable[Hello]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRun:
    """What is played on a cluster.

    `place_of` finds a conversation in the plan that the players have, and `recorded` what is recorded of it;
    `ask_again` is as in `play.runner.PlayContext`. `say` tells the user a line.
    """

    terms: Terms
    stop: StopSignal
    progress: Progress
    place_of: Callable[[Conversation], int | None]
    recorded: Callable[[Conversation], RecordedReplies | None]
    say: Callable[[str], None]
    ask_again: bool = False


@asynccontextmanager
async def playing(
    cluster: Cluster, run: ClusterRun, journal: Journal
) -> AsyncIterator[tuple[ClusterExecutor, RemoteSpending]]:
    """Lend the journal to the recorder of a cluster while the block plays; yield who plays, and the costs."""
    spending = RemoteSpending(cap_usd=run.terms.cap_usd, spent_usd=run.terms.spent_usd)
    with journal.lent() as seal:
        try:
            await _begin(cluster, run, journal, seal)
            executor = ClusterExecutor(cluster, run)
            async with executor.attended(spending):
                yield executor, spending
        finally:
            # Nobody sends any more; what was on its way to the journal is taken in before it is given back.
            with suppress(TimeoutError):
                leaving = (seat.actor.call("leave") for seat in cluster.seats)
                await asyncio.wait_for(asyncio.gather(*leaving, return_exceptions=True), _LEAVE_S)
            for seat in cluster.seats:
                seat.actor.end()
            try:
                await _give_back(cluster.recorder, run.stop)
            finally:
                cluster.recorder.end()
                await _until_free(journal)


async def _begin(cluster: Cluster, run: ClusterRun, journal: Journal, seal: Seal) -> None:
    try:
        await cluster.recorder.call("open", journal.path.resolve(), seal, driver=os.getpid())
        await cluster.pace.call("open", run.terms)
    except ActorLostError as error:
        raise MeasureError(
            f"a process of the run on Ray was lost as it began ({error}): go on with `claude-run resume"
            f" {journal.path.parent}`"
        ) from error


async def _give_back(recorder: Actor, stop: StopSignal) -> None:
    """Have the recorder close the journal: whoever waits for it no longer finds all that was acknowledged."""
    closing = asyncio.ensure_future(recorder.call("close"))
    impatient = asyncio.create_task(stop.requested_again())
    try:
        await asyncio.wait({closing, impatient}, return_when=asyncio.FIRST_COMPLETED)
        with suppress(ActorLostError, TimeoutError):
            await asyncio.wait_for(closing, _LEAVE_S)
    finally:
        impatient.cancel()


async def _until_free(journal: Journal) -> None:
    """Wait for the end of a recorder that did not answer any more."""
    for _ in range(_TRIES):
        try:
            refuse_if_held(journal.path, LocalDisk())
        except InputError:
            await asyncio.sleep(_TRY_S)
        else:
            return


class ClusterExecutor:
    """Plays conversations on players; satisfies `play.runner.Executor`."""

    def __init__(self, cluster: Cluster, run: ClusterRun) -> None:
        self.waiting: set[asyncio.Task[object]] = set()
        self._cluster = cluster
        self._run = run
        self._under_way: dict[str, Conversation] = {}
        self._free = asyncio.Condition()
        self._losses: dict[str, asyncio.Task[Mapping[str, Sequence[Event]]]] = {}
        self._revivals: set[asyncio.Task[None]] = set()
        self._lost_in_a_row = self._gone = 0
        self._is_over = False

    async def play(self, conversation: Conversation, earlier: ConversationLog | None) -> Transcript:
        self._under_way[conversation.id] = conversation
        try:
            return await self._play(conversation, earlier)
        finally:
            del self._under_way[conversation.id]

    async def _play(self, conversation: Conversation, earlier: ConversationLog | None) -> Transcript:
        place = self._run.place_of(conversation)
        task = Task(
            place=place,
            conversation=conversation if place is None else None,
            earlier=earlier,
            recorded=self._run.recorded(conversation),
        )
        while True:
            seat = await self._seat()
            player = seat.hello.player
            seat.playing.add(conversation.id)
            try:
                return self._transcript(await seat.actor.call("play", player, task))
            except ActorLostError:
                # What it has written is known once nothing more is taken from it: all since the run began.
                written = await self._loss(seat, player)
                task = replace(task, handed_on=written.get(conversation.id, ()))
            finally:
                if seat.hello.player == player:
                    seat.playing.discard(conversation.id)

    def _transcript(self, answer: Answer) -> Transcript:
        match answer:
            case Finished():
                self._lost_in_a_row = 0
                return answer.transcript
            case Stopped():
                self._run.stop.request(answer.halt)
                raise HaltedError(answer.halt.reason)
            case Broken(error=ClaudeRunError() as error):
                raise error
            case Broken():
                raise RuntimeError(f"a player has met a bug:\n{answer.bug}")

    async def _seat(self) -> Seat:
        """Return the player with the least to do, as soon as there is one at all."""
        self._run.stop.check()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines run in tasks
        self.waiting.add(task)
        try:
            async with self._free:
                while not (there := [seat for seat in self._cluster.seats if seat.is_there]):
                    await self._free.wait()
        finally:
            self.waiting.discard(task)
        return min(there, key=lambda seat: len(seat.playing))

    # A player is lost.

    async def _loss(self, seat: Seat, player: str) -> Mapping[str, Sequence[Event]]:
        """Settle what a lost player has left, once for all; return what it has written, by conversation."""
        if player not in self._losses:
            self._losses[player] = asyncio.create_task(self._settle(seat, player))
        return await asyncio.shield(self._losses[player])

    async def _settle(self, seat: Seat, player: str) -> Mapping[str, Sequence[Event]]:
        seat.is_there = False
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= _LOST_IN_A_ROW:
            self._end(f"{self._lost_in_a_row} players were lost one after the other: look at their logs")
        # No more leases, and then no more lines: what it holds is decided by what it has written.
        leases: Sequence[OpenLease] = await self._of_pace("lost", player)
        names = sorted({*seat.playing, *(lease.conversation_id for lease in leases)})
        events: Sequence[Sequence[Event]] = await self._of_recorder("fence", player, names)
        written = dict(zip(names, events, strict=True))
        paid = {
            lease.ticket: fate.paid_usd
            for lease in leases
            if (fate := _fate(lease, written[lease.conversation_id])) is not None
        }
        await self._of_pace("settle", player, paid)
        seat.playing.clear()
        self._revivals.add(asyncio.create_task(self._revive(seat, player)))
        return written

    async def _revive(self, seat: Seat, lost: str) -> None:
        """Wait for the process that takes the place of a lost one, and have it play on."""
        try:
            # Whoever is lost before it takes part is waited for anew, as long as that may be chance.
            for chances in reversed(range(_LOST_IN_A_ROW)):
                try:
                    seat.hello = await self._cluster.ready(seat.actor, lost)
                    lost = seat.hello.player
                    await self._enter(seat)
                    break
                except ActorLostError:
                    if not chances:
                        raise
        except ClaudeRunError as error:
            self._run.say(f"warning: a player on {seat.hello.node} did not come back: {error}")
            self._gone += 1
            if self._gone == len(self._cluster.seats):
                self._end("no player is left")
            return
        async with self._free:
            seat.is_there = True
            self._free.notify_all()

    async def _of_pace(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever it returns
        return await self._vital(self._cluster.pace.call(method, *arguments), "lets requests out")

    async def _of_recorder(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - same
        return await self._vital(self._cluster.recorder.call(method, *arguments), "writes the journal")

    async def _vital(self, call: Awaitable[T], does: str) -> T:
        """Await what nobody can do without: where the process is gone the run ends, to be gone on with."""
        try:
            return await call
        except ActorLostError as error:
            self._end(f"the process that {does} was lost ({error}): go on with the run")
            raise HaltedError(str(error)) from error

    def _end(self, reason: str) -> None:
        self._run.stop.request(Halt(code=ExitCode.NOT_MEASURED, reason=reason, grace_s=FATAL_GRACE_S))

    # What goes on beside the conversations.

    @asynccontextmanager
    async def attended(self, spending: RemoteSpending) -> AsyncIterator[None]:
        """Let the players in; pass news on to whoever watches, and stops to the players, during the block."""
        await asyncio.gather(*map(self._let_in, self._cluster.seats))
        news = asyncio.create_task(self._pass_news_on(spending))
        attending = [
            news,
            asyncio.create_task(self._pass_stop_on()),
            asyncio.create_task(self._pass_interrupt_on()),
            asyncio.create_task(self._pass_impatience_on()),
        ]
        try:
            yield
            await self._hear_the_rest(news, spending)
        finally:
            for task in (*attending, *self._revivals, *self._losses.values()):
                task.cancel()
            await asyncio.gather(*attending, *self._revivals, *self._losses.values(), return_exceptions=True)

    async def _let_in(self, seat: Seat) -> None:
        try:
            await self._enter(seat)
        except ActorLostError:
            seat.is_there = False
            self._revivals.add(asyncio.create_task(self._revive(seat, seat.hello.player)))

    async def _enter(self, seat: Seat) -> None:
        cluster = self._cluster
        await seat.actor.call(
            "enter", seat.hello.player, cluster.pace, cluster.recorder, ask_again=self._run.ask_again
        )

    async def _pass_news_on(self, spending: RemoteSpending) -> None:
        while not self._is_over:
            try:
                news: News = await self._of_pace("news")
            except HaltedError:
                return
            self._pass_on(news, spending)

    async def _hear_the_rest(self, passing: asyncio.Task[None], spending: RemoteSpending) -> None:
        """Pass on what players have said up to the end, such as what the last own check has printed."""
        self._is_over = True
        with suppress(ActorLostError, TimeoutError):
            await asyncio.wait_for(self._to_all(*self._of_players("tell")), _LEAVE_S)
            rest: News = await self._cluster.pace.call("news", at_once=True)
            await passing  # it has what was said before
            self._pass_on(rest, spending)

    def _pass_on(self, news: News, spending: RemoteSpending) -> None:
        progress = self._run.progress
        spending.paid_usd, spending.spent_usd = news.paid_usd, news.spent_usd
        progress.in_flight(news.in_flight)
        for told in news.told:
            self._tell(told, progress)
        if news.halt is not None:
            self._run.stop.request(news.halt)

    def _tell(self, told: Told, progress: Progress) -> None:
        match told:
            case Asking():
                # What has ended since is not under way any more.
                if (conversation := self._under_way.get(told.conversation_id)) is not None:
                    progress.asking(conversation, told.turn)
            case Said():
                self._run.say(told.line)
            case Waiting():
                progress.waiting(told.what, told.seconds, told.reason)
            case Outage():
                progress.outage(told.model, told.seconds, told.reason)
            case Resumed():
                progress.resumed(told.what)

    async def _pass_stop_on(self) -> None:
        halt = await self._run.stop.requested()
        await self._to_all(
            self._cluster.pace.call("stop", halt), *self._of_players("stop", halt, by_user=False)
        )

    async def _pass_interrupt_on(self) -> None:
        halt = await self._run.stop.interrupted()
        await self._to_all(*self._of_players("stop", halt, by_user=True))

    async def _pass_impatience_on(self) -> None:
        await self._run.stop.requested_again()
        await self._to_all(*self._of_players("stop_now"))

    def _of_players(self, method: str, *arguments: object, **keywords: object) -> list[Awaitable[object]]:
        there = (seat.actor for seat in self._cluster.seats if seat.is_there)
        return [actor.call(method, *arguments, **keywords) for actor in there]

    async def _to_all(self, *calls: Awaitable[object]) -> None:
        # Whoever is lost meanwhile sends nothing either.
        await asyncio.gather(*calls, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fate:
    """What an attempt of a lost player has cost; None where nobody knows."""

    paid_usd: Decimal | None


def _fate(lease: OpenLease, written: Iterable[Event]) -> _Fate | None:
    """Return what became of the attempt that a lease was for; None where it was never written down."""
    fate: _Fate | None = None
    for event in written:
        match event:
            case Attempted(key=lease.key, n=lease.n):
                fate = _Fate(paid_usd=None)
            case Replied(key=lease.key, n=lease.n):
                fate = _Fate(paid_usd=event.cost_usd)
            case Failed(key=lease.key, n=lease.n):
                fate = _Fate(paid_usd=Decimal(0) if event.failure.paid == "no" else None)
    return fate
