"""How many requests may be under way to one model: more while replies come, half when told to slow down.

Additive increase, multiplicative decrease with slow start, as TCP does it (RFC 5681, section 3.1). While a
model answers nobody, one at a time tries whether it does again.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from claude_run.play.ports import Clock

START = 20
"""Requests to a model that go out before any reply has come; half of the ceiling where that is more."""
AFTER_OUTAGE = 4
"""The same where the model has just begun to answer again."""

_REMAINING = "anthropic-ratelimit-requests-remaining"
_RESET = "anthropic-ratelimit-requests-reset"


class AdaptivePacing:
    """The pacing of a live run; satisfies `play.ports.Pacing`.

    At most `ceiling` requests are under way, over all models; for each model as many as its replies allow.
    """

    def __init__(self, *, ceiling: int, clock: Clock, longest_reset_s: float = 300.0) -> None:
        self._ceiling = ceiling
        self._clock = clock
        self._longest_reset_s = longest_reset_s
        self._in_flight = asyncio.Semaphore(ceiling)
        self._pacers: dict[str, ModelPacer] = {}

    @asynccontextmanager
    async def slot(self, model: str) -> AsyncIterator[None]:
        async with self._pacer(model).slot(), self._in_flight:
            yield

    async def renewed(self, model: str, let_out_at: float) -> None:
        pass

    def unused(self, model: str, let_out_at: float) -> None:
        pass

    def replied(self, model: str, headers: Mapping[str, str]) -> float:
        return self._pacer(model).replied(headers)

    def throttled(self, model: str, seconds: float) -> None:
        self._pacer(model).throttled(seconds)

    def outage(self, model: str, seconds: float) -> None:
        self._pacer(model).outage(seconds)

    def _pacer(self, model: str) -> ModelPacer:
        if model not in self._pacers:
            self._pacers[model] = ModelPacer(
                ceiling=self._ceiling, clock=self._clock, longest_reset_s=self._longest_reset_s
            )
        return self._pacers[model]


class ModelPacer:
    """The requests to one model. `ceiling` is what the user allows; the pacer finds what the API allows.

    A reset of the API's limits that is further away than `longest_reset_s` is not waited for: sent all the
    same, a request brings either a reply or the API's own word on how long to wait.
    """

    def __init__(self, *, ceiling: int, clock: Clock, longest_reset_s: float = 300.0) -> None:
        self.limit = min(max(START, ceiling // 2), ceiling)
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
            probe = self._outage
            self._probing = self._probing or probe
            self._active += 1
        try:
            yield
        finally:
            self._active -= 1
            self._probing = self._probing and not probe
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
        wait_s = _seconds_until(headers.get(_RESET), self._clock) if headers.get(_REMAINING) == "0" else 0.0
        if wait_s > self._longest_reset_s:
            return 0.0
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
        return max(self._resume_at, self._probe_at) - self._clock.monotonic()

    async def _change(self, *, within_s: float) -> None:
        self._changed.clear()
        if math.isinf(within_s):
            await self._changed.wait()
        else:
            with suppress(TimeoutError):
                await self._clock.within(within_s, self._changed.wait())


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
