"""How many requests may be under way to one model: more while replies come, half when told to slow down.

Additive increase, multiplicative decrease with slow start, as TCP does it (RFC 5681, section 3.1). While a
model answers nobody, one at a time tries whether it does again. Where several processes send by one pacing,
requests leave evenly besides: each alone would not see the bursts that they make together.
"""

from __future__ import annotations

import asyncio
import math
import re
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from claude_run.play.rate import Rate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from claude_run.play.ports import Clock

START = 20
"""Requests to a model that go out before any reply has come; half of the ceiling where that is more."""
AFTER_OUTAGE = 4
"""The same where the model has just begun to answer again."""
BEFORE_LIMIT = 4
"""The same where requests are to leave evenly, and no reply has told yet how fast."""

_LIMIT = "anthropic-ratelimit-requests-limit"
_REMAINING = "anthropic-ratelimit-{}-remaining"
_RESET = "anthropic-ratelimit-{}-reset"
_LIMITED = ("requests", "tokens", "input-tokens", "output-tokens")
# Below ten million: what no API lets in within a minute is no limit.
_COUNT = re.compile(r"[0-9]{1,7}")


class AdaptivePacing:
    """The pacing of a live run; satisfies `play.ports.Pacing`.

    At most `ceiling` requests are under way, over all models; for each model as many as its replies allow.
    `evenly` they leave at the rate that the headers of its replies tell, too.
    """

    def __init__(
        self, *, ceiling: int, clock: Clock, longest_reset_s: float = 300.0, evenly: bool = False
    ) -> None:
        self._ceiling = ceiling
        self._clock = clock
        self._longest_reset_s = longest_reset_s
        self._evenly = evenly
        self._in_flight = asyncio.Semaphore(ceiling)
        self._pacers: dict[str, ModelPacer] = {}

    @asynccontextmanager
    async def slot(self, model: str) -> AsyncIterator[None]:
        async with self._pacer(model).slot():
            let_out_at = self._clock.monotonic()
            had_to_wait = self._in_flight.locked()
            async with self._in_flight:
                if had_to_wait and self._evenly:
                    await self.renewed(model, let_out_at)
                yield

    async def renewed(self, model: str, let_out_at: float) -> None:
        """Wait until a request that was let out and did not leave in time may leave; it keeps its place."""
        await self._pacer(model).renewed(let_out_at)

    def unused(self, model: str, let_out_at: float) -> None:
        """Note that a request that was let out then, in seconds of the clock, will not leave."""
        self._pacer(model).unused(let_out_at)

    def replied(self, model: str, headers: Mapping[str, str]) -> float:
        return self._pacer(model).replied(headers)

    def throttled(self, model: str, seconds: float) -> None:
        self._pacer(model).throttled(seconds)

    def outage(self, model: str, seconds: float) -> None:
        self._pacer(model).outage(seconds)

    def _pacer(self, model: str) -> ModelPacer:
        if model not in self._pacers:
            self._pacers[model] = ModelPacer(
                ceiling=self._ceiling,
                clock=self._clock,
                longest_reset_s=self._longest_reset_s,
                evenly=self._evenly,
            )
        return self._pacers[model]


class ModelPacer:
    """The requests to one model. `ceiling` is what the user allows; the pacer finds what the API allows.

    A reset of the API's limits that is further away than `longest_reset_s` is not waited for: sent all the
    same, a request brings either a reply or the API's own word on how long to wait.
    """

    def __init__(
        self, *, ceiling: int, clock: Clock, longest_reset_s: float = 300.0, evenly: bool = False
    ) -> None:
        self._start = min(max(START, ceiling // 2), ceiling)
        self.limit = min(BEFORE_LIMIT, ceiling) if evenly else self._start
        self._rate = Rate() if evenly else None
        self._ceiling = ceiling
        self._clock = clock
        self._longest_reset_s = longest_reset_s
        self._threshold = ceiling
        self._credit = 0
        self._active = 0
        self._resume_at = -math.inf
        self._last_cut = -math.inf
        # In an outage: when the next probe may go out, and whether one is under way.
        self._outage = False
        self._probe_at = -math.inf
        self._probing = False
        # The first in the queue has the turn: it alone waits for a change, the others for their turn.
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one place; waits in line for a free one and for the end of a pause."""
        async with self._turn:
            while (wait_s := self._wait_s()) > 0:
                await self._change(within_s=wait_s)
            self._leaves()
            probe = self._outage
            self._probing = self._probing or probe
            self._active += 1
        try:
            yield
        finally:
            self._active -= 1
            self._probing = self._probing and not probe
            self._changed.set()

    async def renewed(self, let_out_at: float) -> None:
        """Wait until one may leave that was let out and did not, beside those that wait for their place."""
        self.unused(let_out_at)
        while (wait_s := self._until_s()) > 0:
            await self._change(within_s=wait_s)
        self._leaves()

    def unused(self, let_out_at: float) -> None:
        """Let another out in the place of one that was let out and did not leave."""
        if self._rate is not None:
            self._rate.unused(let_out_at, self._clock.monotonic())
            self._changed.set()

    def pause(self, seconds: float) -> None:
        """Let nothing out before so many seconds have passed."""
        self._resume_at = max(self._resume_at, self._clock.monotonic() + seconds)

    def replied(self, headers: Mapping[str, str]) -> float:
        """Grow after a reply: by one each below the threshold, above it by one per full window.

        Return for how many seconds the headers hold the model back.
        """
        if self._outage:
            # It is over: all may go out again, a few at first.
            self._outage = False
            self._probe_at = -math.inf
            self.limit = min(self.limit, AFTER_OUTAGE)
            self._credit = 0
        self._credit += 1
        if self.limit < self._ceiling and self._credit >= (1 if self.limit < self._threshold else self.limit):
            self.limit += 1
            self._credit = 0
        self._changed.set()
        if self._rate is not None and (limit := _count(headers.get(_LIMIT))):
            if not self._rate.is_known and self._threshold == self._ceiling:
                # From now on the rate sees to it that they do not leave together.
                self.limit = max(self.limit, self._start)
            self._rate.told(
                self._clock.monotonic(),
                limit=limit,
                remaining=_count(headers.get(_REMAINING.format("requests"))),
                reset_s=_seconds_until(headers.get(_RESET.format("requests")), self._clock),
            )
        # Where nothing is left, of requests or of tokens of a kind, the next one would be refused.
        waits_s = [
            _seconds_until(headers.get(_RESET.format(kind)), self._clock)
            for kind in _LIMITED
            if headers.get(_REMAINING.format(kind)) == "0"
        ]
        wait_s = max((each for each in waits_s if each <= self._longest_reset_s), default=0.0)
        self.pause(wait_s)
        return wait_s

    def throttled(self, seconds: float) -> None:
        """Halve, once for all the requests that were refused together, and pause."""
        now = self._clock.monotonic()
        if not self._outage and now - self._last_cut > 1.0:
            self.limit = self._threshold = max(1, self.limit // 2)
            self._credit = 0
            self._last_cut = now
        self.pause(seconds)

    def outage(self, seconds: float) -> None:
        """Until there is a reply let out one request at a time, the next one after so many seconds."""
        self._outage = True
        self._probe_at = max(self._probe_at, self._clock.monotonic() + seconds)
        self._changed.set()

    def _wait_s(self) -> float:
        """Return how long the next request must wait; infinite where only a change can tell."""
        if self._probing if self._outage else self._active >= self.limit:
            return math.inf
        return self._until_s()

    def _until_s(self) -> float:
        """Return how long nobody may leave at all."""
        now = self._clock.monotonic()
        paused_s = max(self._resume_at, self._probe_at) - now
        return paused_s if self._rate is None else max(paused_s, self._rate.wait_s(now))

    def _leaves(self) -> None:
        if self._rate is not None:
            self._rate.left(self._clock.monotonic())

    async def _change(self, *, within_s: float) -> None:
        self._changed.clear()
        if math.isinf(within_s):
            await self._changed.wait()
        else:
            with suppress(TimeoutError):
                await self._clock.within(within_s, self._changed.wait())


def _count(text: str | None) -> int | None:
    """Return a number of a header; None where there is none, or one beyond belief."""
    return int(text) if text is not None and _COUNT.fullmatch(text) else None


def _seconds_until(moment: str | None, clock: Clock) -> float:
    """Return the seconds until an RFC 3339 time; 0 where there is none or it cannot be read."""
    if moment is None:
        return 0.0
    try:
        until = datetime.fromisoformat(moment)
        now = datetime.fromisoformat(clock.now())
        return max(0.0, (until.astimezone(UTC) - now.astimezone(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return 0.0
