"""What a run asks of the Message Batches API: steadily, since a batch goes on whoever is out of reach.

A batch that may or may not have been taken is looked for here: by its number of requests among those that
are newer than the newest one before it, and, once such a batch has ended, by the token in its ids.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from claude_run.play.ports import RequestFailedError
from claude_run.play.retry import is_fatal, is_transient
from claude_run.play.stop import HaltedError, hopeless
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from typing import TypeVar

    from claude_run.conversation.exchange import Failure, Request
    from claude_run.play.ports import Batches, BatchState, Clock, PackedRequest, Progress, Received
    from claude_run.play.retry import RetryPolicy
    from claude_run.play.stop import StopSignal

    T = TypeVar("T")

DAY_S = 86_400.0
_MINUTE_S = 60.0
_GROWTH = 1.5
_READINGS = 5
"""How often results are read that hold what is no result, before that is what they are."""

_NOT_FOUND, _CONFLICT = 404, 409
_WHERE = (
    "a batch can be reached with the credentials of its own workspace, and its results for 29 days: to play"
    " without them start a new run with --reuse"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTimes:
    """Times in seconds: between two looks at a batch, growing from the first to the longest.

    A batch whose submission brought no answer may appear in the list `appears_s` later and not after.
    After `live_after_s` what is not answered yet is finished live; None for never.
    """

    first_look_s: float = 1.0
    longest_look_s: float = 60.0
    appears_s: float = 30.0
    live_after_s: float | None = None

    def looks(self, *, simulated: bool) -> tuple[float, float]:
        """Return the first and the longest time between two looks; a simulator may be asked at any time."""
        return (0.02, 0.5) if simulated else (self.first_look_s, self.longest_look_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What a batch is known by whose name nobody knows; `since` is when the newest before it was made."""

    token: str
    size: int
    headers: Mapping[str, str]
    since: str | None


class BatchCalls:
    """The calls of one run. All but `submit` change nothing that matters, and are made until they succeed.

    HaltedError, with the run stopped, for an answer that no waiting would change.
    """

    def __init__(  # noqa: PLR0913 - each is a seam, or a rule of its own
        self,
        api: Batches,
        *,
        stop: StopSignal,
        clock: Clock,
        progress: Progress,
        policy: RetryPolicy,
        times: BatchTimes,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._api, self._stop, self._clock, self._progress = api, stop, clock, progress
        self._policy, self._times, self._chance = policy, times, chance

    def pack(self, request: Request) -> PackedRequest:
        """Return the request as a batch takes it."""
        return self._api.pack(request)

    async def submit(self, items: Sequence[tuple[str, bytes]], headers: Mapping[str, str]) -> BatchState:
        """Submit once; RequestFailedError where that brought no answer, or a refusal."""
        return await self._api.submit(items, headers)

    async def cancel_once(self, name: str, headers: Mapping[str, str]) -> None:
        """Ask for the end of a batch; RequestFailedError where that brought no answer, or a refusal."""
        await self._api.cancel(name, headers)

    async def cancel(self, name: str, headers: Mapping[str, str]) -> None:
        """Ask for the end of a batch; where the API refuses it is told, for the batch ends by itself."""

        async def ask() -> None:
            try:
                await self._api.cancel(name, headers)
            except RequestFailedError as error:
                if is_transient(error.failure) and error.failure.status != _CONFLICT:
                    raise
                # Most likely it has ended in the meantime. What else it may be, the next look at it tells.
                self.tell_not_canceled(name, error.failure)

        await self._steadily(ask)

    def tell_not_canceled(self, name: str, failure: Failure) -> None:
        """Say that a batch goes on: by a name of its own, since the wait for it is told already."""
        self._progress.waiting(canceling(name), 0.0, f"it could not be canceled: {failure.message}")

    async def state(self, name: str, headers: Mapping[str, str]) -> BatchState:
        """Return how a batch stands."""
        return await self._steadily(lambda: self._api.state(name, headers))

    async def ended(self, state: BatchState, headers: Mapping[str, str], *, took_s: float | None) -> None:
        """Look at a batch, ever more seldom, until it has ended; the one before it has taken `took_s`."""
        name, (wait_s, longest_s) = state.id, self._times.looks(simulated=state.simulated)
        self._progress.waiting(name, self._left_s(state), _told(state, took_s))
        while not state.ended:
            await self._clock.sleep(wait_s)
            wait_s = min(longest_s, wait_s * _GROWTH)
            state = await self.state(name, headers)

    async def results(
        self, name: str, headers: Mapping[str, str], take: Callable[[str, Received | Failure], None]
    ) -> Failure | None:
        """Hand out what became of each request, by its id; some come again where the reading broke off.

        A Failure for what is no result in all of several readings; None where all could be read.
        """
        broken = 0

        async def read() -> Failure | None:
            nonlocal broken
            try:
                async for item, found in self._api.results(name, headers):
                    take(item, found)
            except RequestFailedError as error:
                broken += error.failure.kind == "invalid_reply"
                if broken < _READINGS:
                    raise
                return error.failure
            return None

        return await self._steadily(read)

    def give_up(self, failure: Failure) -> HaltedError:
        """Stop the run for an answer that no waiting would change; return what to raise."""
        self._stop.request(hopeless(failure, wait_s=None, now=self._clock.now()))
        return HaltedError(failure.message)

    async def newest(self, headers: Mapping[str, str]) -> str | None:
        """Return when the newest batch was made that is there, by the clock of the API."""

        async def first() -> str | None:
            async for state in self._api.listed(headers):
                return state.created_at
            return None

        return await self._steadily(first)

    async def look_for(self, batch: Sought, known: AbstractSet[str]) -> BatchState | None:
        """Return the batch if the API has taken it; None once it is sure that it has not.

        `known` are the names of others.
        """
        others = set(known)
        until = self._clock.monotonic() + self._times.appears_s
        wait_s, longest_s = self._times.looks(simulated=False)
        what = f"nobody knows whether a batch of {count(batch.size, 'request')} was taken"
        while True:
            # What its requests are called can be read once it has ended, and not before.
            found = await self._candidates(batch, others)
            for state in found:
                if state.ended and await self._is_ours(batch, state):
                    return state
            others.update(state.id for state in found if state.ended)
            waits = [state for state in found if not state.ended]
            if not waits and self._clock.monotonic() >= until:
                return None
            if waits:
                reason = f"{what}: {count(len(waits), 'batch', plural='batches')} of the workspace may be it"
                self._progress.waiting("batches", max(map(self._left_s, waits)), reason)
                longest_s = self._times.looks(simulated=waits[0].simulated)[1]
            else:
                self._progress.waiting("batches", self._times.appears_s, what)
            await self._clock.sleep(min(wait_s, longest_s))
            wait_s = min(longest_s, wait_s * _GROWTH)

    async def _candidates(self, batch: Sought, others: set[str]) -> list[BatchState]:
        """Return the batches of the workspace that may be this one, but for `others`."""
        since = _moment(batch.since)

        async def read() -> list[BatchState]:
            found: list[BatchState] = []
            async for state in self._api.listed(batch.headers):
                if _moment(state.created_at) < since:
                    break
                if state.id not in others and state.size == batch.size:
                    found.append(state)
            return found

        return await self._steadily(read)

    async def _is_ours(self, batch: Sought, state: BatchState) -> bool:
        async def first() -> str:
            async for name, _ in self._api.results(state.id, batch.headers):
                return name
            return ""

        return (await self._steadily(first)).startswith(f"{batch.token}-")

    def back_off_s(self, failure: Failure, failures: int) -> float:
        """Return how long to wait after so many failures in a row, the last of them this."""
        if failure.retry_after_s is not None:
            return failure.retry_after_s
        return self._policy.back_off_s(failures, chance=self._chance())

    async def _steadily(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what a call brings, however long the API is out of reach."""
        begin, failures = self._clock.monotonic(), 0
        while True:
            try:
                found = await call()
            except RequestFailedError as error:
                failure = error.failure
            else:
                if failures:
                    self._progress.resumed("batches")
                return found
            failures += 1
            if is_fatal(failure) or not is_transient(failure):
                if failure.status == _NOT_FOUND:
                    failure = replace(failure, message=f"{failure.message}; {_WHERE}")
                raise self.give_up(failure)
            self._progress.outage("batches", self._clock.monotonic() - begin, failure.message)
            await self._clock.sleep(self.back_off_s(failure, failures))

    def _left_s(self, state: BatchState) -> float:
        """Return how long a batch may take at most."""
        if state.expires_at is None:
            return DAY_S
        left = _moment(state.expires_at) - _moment(self._clock.now())
        return min(DAY_S, max(0.0, math.ceil(left.total_seconds() / _MINUTE_S) * _MINUTE_S))


def canceling(name: str) -> str:
    """Return what is waited for where a batch is to be canceled."""
    return f"canceling {name}"


def _told(state: BatchState, took_s: float | None) -> str:
    """Return what is known of how long a batch will take."""
    told = f"{count(state.size, 'request')} in a batch"
    if state.expires_at is not None:
        told = f"at the latest, {told}, until {_moment(state.expires_at):%Y-%m-%d %H:%M} UTC"
    if took_s is not None:
        took = f"{took_s / _MINUTE_S:.0f} min" if took_s > 2 * _MINUTE_S else f"{took_s:.0f} s"
        told += f"; the one before took {took}"
    return told


def _moment(text: str | None) -> datetime:
    """Return a time of the API; the beginning of all where there is none or it cannot be read."""
    try:
        return datetime.fromisoformat(text or "").astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)
