"""The batches of a run: waves of requests that are submitted, followed, canceled, and found again.

Each batch is written down before it is submitted and again when the API has named it. Where nobody lived to
learn its name, or the answer was lost, it is looked for before anything is sent again.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from claude_run.conversation.exchange import Failure
from claude_run.errors import ExitCode
from claude_run.play.batch import BatchLimits, Wave, custom_id
from claude_run.play.batch_calls import BatchCalls, BatchTimes, Sought, canceling
from claude_run.play.ports import FailedInBatchError, Received, RequestFailedError
from claude_run.play.retry import RetryPolicy, is_fatal, is_transient
from claude_run.play.stop import FATAL_GRACE_S, Halt, HaltedError, hopeless
from claude_run.record.history import Submitted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self, TypeVar

    from claude_run.conversation.exchange import Request
    from claude_run.play.batch import Crowd
    from claude_run.play.ports import Batches, BatchJournal, BatchState, Clock, PackedRequest, Progress
    from claude_run.play.stop import StopSignal
    from claude_run.record.history import OpenBatch

    T = TypeVar("T")

CANCEL_S = 10.0
"""How long the API may take to hear that its batches are canceled when a run is ended at once."""

_NOT_SUBMITTED = Failure(kind="canceled", message="the run stopped before its batch was submitted", paid="no")
_NEVER_ARRIVED = Failure(
    kind="connection", message="the run was cut off before its batch was submitted", paid="no"
)
_NO_RESULT = Failure(kind="invalid_reply", message="its batch ended without a result for it")


@dataclass(slots=True, kw_only=True, eq=False)
class Seat:
    """One request that waits for its wave, or is in a batch. With `live` it is to be sent by itself.

    `proven` is called when its model has answered while it waits: then it will go into a batch.
    """

    key: str
    model: str
    packed: PackedRequest | None = None
    proven: Callable[[], None] = lambda: None
    live: bool = False
    batch: _Batch | None = None
    called: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    outcome: asyncio.Future[Received | Failure | Exception] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    waits: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class _Batch:
    """The seats of one batch by the ids of their requests; `missing` are called and have not come yet."""

    token: str
    headers: Mapping[str, str]
    seats: dict[str, Seat]
    size: int
    missing: int = 0
    since: str | None = None
    id: str | None = None
    ended: bool = False

    @classmethod
    def of(cls, seats: Sequence[Seat]) -> _Batch:
        token = secrets.token_hex(8)
        first = seats[0].packed
        return cls(
            token=token,
            headers=first.headers if first is not None else {},
            seats={custom_id(token, seat.key): seat for seat in seats},
            size=len(seats),
            missing=len(seats),
        )

    @classmethod
    def again(cls, earlier: OpenBatch) -> _Batch:
        """Return a batch that an earlier process was about to submit, or has submitted."""
        seats = {custom_id(earlier.token, key): Seat(key=key, model="") for key in sorted(earlier.keys)}
        return cls(
            token=earlier.token,
            headers=earlier.headers,
            seats=seats,
            size=earlier.size,
            since=earlier.since,
            id=earlier.id,
        )

    @property
    def sought(self) -> Sought:
        """What it is known by as long as it has no name."""
        return Sought(token=self.token, size=self.size, headers=self.headers, since=self.since)

    @property
    def open(self) -> int:
        """How many of its requests have no result yet."""
        outcomes = [seat.outcome for seat in self.seats.values()]
        return sum(not outcome.done() or outcome.cancelled() for outcome in outcomes)


class BatchQueue:
    """An async context manager: while it is entered, whoever has a request gets a seat, and then its outcome.

    `earlier` is what earlier processes of the run have submitted. `proven` are the models that have answered:
    of any other one request is sent live before a batch is made, because batches tell of errors late.
    """

    def __init__(  # noqa: PLR0913 - each is a seam, or a rule of its own
        self,
        api: Batches,
        journal: BatchJournal,
        *,
        crowd: Crowd,
        stop: StopSignal,
        clock: Clock,
        progress: Progress,
        policy: RetryPolicy,
        earlier: Submitted | None = None,
        proven: frozenset[str] = frozenset(),
        limits: BatchLimits | None = None,
        times: BatchTimes | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.over = False
        """Whether nothing more is submitted, and what is left is sent live."""
        self._journal, self._crowd = journal, crowd
        self._stop, self._clock, self._progress, self._policy = stop, clock, progress, policy
        self._times = times or BatchTimes()
        self._calls = BatchCalls(
            api,
            stop=stop,
            clock=clock,
            progress=progress,
            policy=policy,
            times=self._times,
            chance=chance,
        )
        earlier = earlier or Submitted()
        self._ids = set(earlier.ids)
        self._unsent = set(earlier.unsent)
        self._earlier = [_Batch.again(each) for each in earlier.open]
        self._adoptable = {seat.key: seat for batch in self._earlier for seat in batch.seats.values()}
        self._proven = set(proven)
        self._wave: Wave[Seat] = Wave(limits or BatchLimits())
        self._under_way: dict[str, _Batch] = {}
        self._unnamed: set[_Batch] = {each for each in self._earlier if each.id is None}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._last_s: float | None = None
        self._error: Exception | None = None

    async def __aenter__(self) -> Self:
        self._crowd.on_still = self._when_still
        for batch in self._earlier:
            self._spawn(partial(self._take_up, batch), batch)
        if self._times.live_after_s is not None:
            self._spawn(partial(self._finish_live, self._times.live_after_s))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._crowd.on_still = lambda: None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._stop.is_now and self._under_way:
            canceling = [asyncio.create_task(self._canceled(each)) for each in self._under_way.values()]
            _, pending = await asyncio.wait(canceling, timeout=CANCEL_S)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if self._error is not None and error is None:
            raise self._error

    @property
    def left_behind(self) -> Mapping[str, int]:
        """How many requests without a result are in each batch that goes on at the API."""
        return {name: batch.open for name, batch in self._under_way.items() if batch.open}

    @property
    def uncertain(self) -> int:
        """How many batches may or may not have been taken by the API: nobody lived to see its answer."""
        return len(self._unnamed)

    def adopted(self, key: str) -> Seat | None:
        """Return the seat of a request that an earlier process has put into a batch, once."""
        if (seat := self._adoptable.pop(key, None)) is not None:
            return seat
        if key in self._unsent:
            self._unsent.discard(key)
            seat = Seat(key=key, model="")
            seat.outcome.set_result(_NEVER_ARRIVED)
        return seat

    def prove(self, model: str) -> None:
        """Note that a model has answered a request of this run."""
        if model not in self._proven:
            self._proven.add(model)
            for seat in self._wave:
                if seat.model == model:
                    seat.proven()

    def is_proven(self, model: str) -> bool:
        """Return whether it has: if not, a request to it may yet be sent live."""
        return model in self._proven

    async def seat(self, key: str, request: Request, proven: Callable[[], None]) -> Seat:
        """Wait for the wave of a request; the seat says whether it goes into a batch, or is sent live.

        Whoever gets one that is not live either awaits its `outcome` or gives it up by `leave`.
        """
        packed = self._calls.pack(request)
        seat = Seat(key=key, model=request.model, packed=packed, proven=proven)
        full = self._wave.add(seat, content_bytes=len(packed.content), headers=packed.headers)
        if full:
            self._call(full)
        self._crowd.leave()
        try:
            await seat.called
        except asyncio.CancelledError:
            # Called in the meantime or not: it moves again, to its end.
            if seat.batch is not None:
                self.leave(seat)
            elif not seat.live:
                self._wave.discard(seat)
                self._crowd.enter()
            raise
        return seat

    def leave(self, seat: Seat) -> None:
        """Give up a seat in a batch that was not submitted yet."""
        batch = seat.batch
        assert batch is not None  # noqa: S101 - whoever leaves was called
        del batch.seats[custom_id(batch.token, seat.key)]
        batch.size -= 1
        self._come(batch)

    async def outcome(self, seat: Seat) -> Received:
        """Return the reply to a request in a batch; FailedInBatchError where there is none."""
        if not seat.outcome.done():
            seat.waits = True
            if seat.batch is not None:
                self._come(seat.batch)
            self._crowd.leave()
            try:
                await seat.outcome
            except asyncio.CancelledError:
                if seat.waits:
                    self._crowd.enter()
                raise
        found = seat.outcome.result()
        if isinstance(found, Received):
            return found
        raise found if isinstance(found, Exception) else FailedInBatchError(found)

    # What happens when nobody moves any more.

    def _when_still(self) -> None:
        """Let one request go live for each model that is not proven, else submit all that waits."""
        if not len(self._wave) or self._stop.halt is not None:
            return
        firsts: dict[str, Seat] = {}
        for seat in self._wave:
            if seat.model not in self._proven:
                firsts.setdefault(seat.model, seat)
        for seat in firsts.values():
            self._wave.discard(seat)
            self._go_live(seat)
        if not firsts:
            for seats in self._wave.close():
                self._call(seats)

    def _go_live(self, seat: Seat) -> None:
        if seat.called.done():
            return  # it was canceled, and does not know it yet
        seat.live = True
        self._crowd.enter()
        seat.called.set_result(None)

    def _call(self, seats: Sequence[Seat]) -> None:
        seats = [seat for seat in seats if not seat.called.done()]  # the others were canceled
        if not seats:
            return
        batch = _Batch.of(seats)
        for seat in seats:
            seat.batch = batch
            self._crowd.enter()
            seat.called.set_result(None)

    def _come(self, batch: _Batch) -> None:
        """Count in one that was called; the last one closes the batch."""
        batch.missing -= 1
        if batch.missing == 0 and batch.seats:
            self._spawn(partial(self._play, batch), batch)

    # The life of one batch.

    async def _play(self, batch: _Batch) -> None:
        """Submit a batch, written down before and after, and follow it to its end."""
        try:
            batch.since = await self._calls.newest(batch.headers)
        except HaltedError:
            self._settle_all(batch, _NOT_SUBMITTED)
            return
        if self._stop.halt is not None or self.over:
            self._settle_all(batch, _NOT_SUBMITTED)
            return
        self._journal.append_run(
            "batch_submitting",
            batch=batch.token,
            keys=[seat.key for seat in batch.seats.values()],
            headers=dict(batch.headers),
            since=batch.since,
            at=self._clock.now(),
        )
        await self._journal.synced()
        self._unnamed.add(batch)
        found = await self._submitted(batch)
        self._unnamed.discard(batch)
        if isinstance(found, Failure):
            self._journal.append_run("batch_dropped", batch=batch.token, at=self._clock.now())
            self._settle_all(batch, found)
        else:
            await self._follow(batch, found)

    async def _take_up(self, batch: _Batch) -> None:
        """Go on with the batch of an earlier process, once it is found."""
        if batch.id is not None:
            state: BatchState | None = await self._calls.state(batch.id, batch.headers)
        else:
            state = await self._calls.look_for(batch.sought, self._ids)
            self._unnamed.discard(batch)
        if state is not None:
            await self._follow(batch, state)
            return
        self._journal.append_run("batch_dropped", batch=batch.token, at=self._clock.now())
        self._settle_all(batch, _NEVER_ARRIVED)

    async def _submitted(self, batch: _Batch) -> BatchState | Failure:
        """Submit until the API has taken it, for as long as there is patience; a Failure where it has not."""
        begin, failures = self._clock.monotonic(), 0
        items = [(name, seat.packed.content) for name, seat in batch.seats.items() if seat.packed is not None]
        while True:
            try:
                return await self._calls.submit(items, batch.headers)
            except RequestFailedError as error:
                failure = error.failure
            # Nobody knows what became of it: it is not sent again before that is known.
            if failure.paid == "maybe":
                found = await self._calls.look_for(batch.sought, self._ids)
                if found is not None:
                    return found
            failures += 1
            failure = replace(failure, paid="no")
            if is_fatal(failure):
                self._stop.request(hopeless(failure, wait_s=None, now=self._clock.now()))
                return failure
            lasted_s = self._clock.monotonic() - begin
            # As long as others are processed, the API may have no room for more.
            is_out = not self._under_way and lasted_s >= self._policy.patience_s
            if is_transient(failure) and is_out:
                reason = f"the API has taken no batch for {lasted_s:.0f} s: {failure.message}; go on with the"
                reason += " run once it does, or wait longer with --patience"
                self._stop.request(Halt(code=ExitCode.NOT_MEASURED, reason=reason, grace_s=FATAL_GRACE_S))
            if not is_transient(failure) or self._stop.halt is not None:
                return failure
            wait_s = self._calls.back_off_s(failure, failures)
            self._progress.waiting("batches", wait_s, failure.message)
            await self._clock.sleep(wait_s)
            if self._stop.halt is not None:
                return failure

    async def _follow(self, batch: _Batch, state: BatchState) -> None:
        """Wait for the end of a batch that the API has, and take its results."""
        if batch.id is None:
            self._journal.append_run("batch_submitted", batch=batch.token, id=state.id, at=self._clock.now())
            await self._journal.synced()
        batch.id = state.id
        self._ids.add(state.id)
        self._under_way[state.id] = batch
        self._fly(batch.size)
        for seat in batch.seats.values():
            seat.packed = None  # it is there: nobody needs it here any longer
        begin = self._clock.monotonic()
        try:
            if self.over:
                await self._calls.cancel(state.id, batch.headers)
            await self._calls.ended(state, batch.headers, took_s=self._last_s)
            await self._take_results(batch, state.id)
            del self._under_way[state.id]
            self._last_s = self._clock.monotonic() - begin
        finally:
            self._fly(-batch.size)
            self._progress.resumed(state.id)
            self._progress.resumed(canceling(state.id))

    async def _take_results(self, batch: _Batch, name: str) -> None:
        """Hand every result to whoever waits for it, each once, however often the reading breaks off."""
        left = dict(batch.seats)
        is_read = False

        def take(item: str, found: Received | Failure) -> None:
            nonlocal is_read
            is_read = True
            if (seat := left.pop(item, None)) is not None:
                self._settle(seat, found)

        # As long as results come in nobody is still: all that they bring about goes into one wave.
        self._crowd.enter()
        try:
            problem = await self._calls.results(name, batch.headers, take)
            if problem is not None and not is_read:
                # Whoever stands between spoils them all: they are there, paid for, and can be read later.
                message = f"the results of {name} cannot be read: {problem.message}; they stay at the API"
                raise self._calls.give_up(replace(problem, message=f"{message} for 29 days"))
            for seat in left.values():
                self._settle(seat, problem or _NO_RESULT)
        finally:
            self._crowd.leave()

    # The end of it all, and what each step needs.

    async def _finish_live(self, after_s: float) -> None:
        """Cancel what is under way once its time is over, and let all that waits be sent live."""
        await self._clock.sleep(after_s)
        self.over = True
        for seat in list(self._wave):
            self._go_live(seat)
        self._wave.close()
        for batch in list(self._under_way.values()):
            if batch.id is not None:
                await self._calls.cancel(batch.id, batch.headers)

    async def _canceled(self, batch: _Batch) -> None:
        try:
            await self._calls.cancel_once(str(batch.id), batch.headers)
        except RequestFailedError as error:
            self._calls.tell_not_canceled(str(batch.id), error.failure)

    def _settle(self, seat: Seat, found: Received | Failure | Exception) -> None:
        if seat.outcome.done():
            return
        if seat.waits:
            seat.waits = False
            self._crowd.enter()
        seat.outcome.set_result(found)

    def _settle_all(self, batch: _Batch, found: Failure | Exception) -> None:
        for seat in batch.seats.values():
            self._settle(seat, found)

    def _spawn(self, work: Callable[[], Awaitable[None]], batch: _Batch | None = None) -> None:
        async def guarded() -> None:
            try:
                await work()
            except HaltedError:
                return  # the run ends, and with it whoever waits
            except Exception as error:  # noqa: BLE001 - whoever waits raises it, or the end of the run does
                self._error = self._error or error
                if batch is not None:
                    self._settle_all(batch, error)
                reason = f"the batches of the run cannot go on: {error}"
                self._stop.request(Halt(code=ExitCode.NOT_MEASURED, reason=reason, grace_s=FATAL_GRACE_S))

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _fly(self, change: int) -> None:
        self._in_flight += change
        self._progress.in_flight(self._in_flight)
