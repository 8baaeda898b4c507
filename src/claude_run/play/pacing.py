"""How many requests may be under way to one model: more while replies come, half when told to slow down.

Additive increase, multiplicative decrease with slow start, as TCP does it (RFC 5681, section 3.1).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from claude_run.play.ports import Clock

START = 4
_REMAINING = "anthropic-ratelimit-requests-remaining"
_RESET = "anthropic-ratelimit-requests-reset"


class AdaptivePacing:
    """The pacing of a live run; satisfies `play.ports.Pacing`.

    At most `ceiling` requests are under way, over all models; for each model as many as its replies allow.
    """

    def __init__(self, *, ceiling: int, clock: Clock) -> None:
        self._ceiling = ceiling
        self._clock = clock
        self._in_flight = asyncio.Semaphore(ceiling)
        self._pacers: dict[str, ModelPacer] = {}

    @asynccontextmanager
    async def slot(self, model: str) -> AsyncIterator[None]:
        async with self._pacer(model).slot(), self._in_flight:
            yield

    def replied(self, model: str, headers: Mapping[str, str]) -> None:
        self._pacer(model).replied(headers)

    def throttled(self, model: str, seconds: float) -> None:
        self._pacer(model).throttled(seconds)

    def _pacer(self, model: str) -> ModelPacer:
        if model not in self._pacers:
            self._pacers[model] = ModelPacer(ceiling=self._ceiling, clock=self._clock)
        return self._pacers[model]


class ModelPacer:
    """The requests to one model. `ceiling` is what the user allows; the pacer finds what the API allows."""

    def __init__(self, *, ceiling: int, clock: Clock) -> None:
        self.limit = min(START, ceiling)
        self._ceiling = ceiling
        self._clock = clock
        self._threshold = ceiling
        self._credit = 0
        self._active = 0
        self._resume_at = 0.0
        self._last_cut = float("-inf")
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one place; waits for a free one and for the end of a pause."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._active < self.limit)
            self._active += 1
        try:
            while (pause := self._resume_at - self._clock.monotonic()) > 0:
                await self._clock.sleep(pause)
            yield
        finally:
            async with self._freed:
                self._active -= 1
                self._freed.notify_all()

    def pause(self, seconds: float) -> None:
        """Let nothing out before so many seconds have passed."""
        self._resume_at = max(self._resume_at, self._clock.monotonic() + seconds)

    def replied(self, headers: Mapping[str, str]) -> None:
        """Grow after a reply: by one each below the threshold, above it by one per full window."""
        self._credit += 1
        if self.limit < self._ceiling and self._credit >= (1 if self.limit < self._threshold else self.limit):
            self.limit += 1
            self._credit = 0
        if headers.get(_REMAINING) == "0" and (wait := _seconds_until(headers.get(_RESET), self._clock)):
            self.pause(wait)

    def throttled(self, seconds: float) -> None:
        """Halve, once for all the requests that were refused together, and pause."""
        now = self._clock.monotonic()
        if now - self._last_cut > 1.0:
            self.limit = self._threshold = max(1, self.limit // 2)
            self._credit = 0
            self._last_cut = now
        self.pause(seconds)


def _seconds_until(moment: str | None, clock: Clock) -> float:
    """Return the seconds until an RFC 3339 time; 0 where there is none or it cannot be read."""
    if moment is None:
        return 0.0
    try:
        until = datetime.fromisoformat(moment)
        now = datetime.fromisoformat(clock.now())
    except ValueError:
        return 0.0
    return max(0.0, (until.astimezone(UTC) - now.astimezone(UTC)).total_seconds())
