"""What a run may cost and how often it may send, held before every send against the worst under way."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.errors import ExitCode
from claude_run.play.batch import Crowd
from claude_run.play.stop import Halt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from claude_run.play.stop import StopSignal


@dataclass(slots=True, kw_only=True)
class Reservation:
    """The worst case of one attempt, set aside; the sender says what was paid, None where nobody knows.

    One that is `unused` was no attempt in the end.
    """

    worst_usd: Decimal | None
    paid_usd: Decimal | None = None
    unused: bool = False


class Budget:
    """Money in US dollars: spent for sure, possibly spent, and reserved for what is under way.

    A request is let out only while spent + uncertain + reserved + its own worst case stay within the cap.
    All calls come from one event loop and nothing waits between looking and reserving, so that no two sends
    can pass together. Where the cap, or `max_requests`, allows no further request a stop is requested. Both
    count over all processes of a run: `spent_usd` and `attempts` begin with what was before. `paid_usd` is
    what this process has paid for sure. Whoever waits here does not move as `crowd` counts it.
    """

    def __init__(  # noqa: PLR0913 - keywords, but for the cap
        self,
        cap_usd: Decimal | None,
        *,
        stop: StopSignal,
        max_requests: int | None = None,
        spent_usd: Decimal = Decimal(0),
        attempts: int = 0,
        crowd: Crowd | None = None,
    ) -> None:
        self._crowd = crowd or Crowd()
        self._waiting: list[asyncio.Future[None]] = []
        self.cap_usd = cap_usd
        self.spent_usd = spent_usd
        self.paid_usd = Decimal(0)
        self._earlier = self._attempts = attempts
        self._stop = stop
        self._max_requests = max_requests
        self._reserved = Decimal(0)

    @asynccontextmanager
    async def reserved(self, worst_usd: Decimal | None) -> AsyncIterator[Reservation]:
        """Set the worst case of one attempt aside while the block runs; HaltedError when it is not let out.

        Afterwards it counts as what was paid; where that is unknown, as its worst case.
        """
        await self._reserve(worst_usd)
        async with self._held(worst_usd) as reservation:
            yield reservation

    @asynccontextmanager
    async def carried(self, worst_usd: Decimal | None) -> AsyncIterator[Reservation]:
        """Do the same for an attempt of an earlier process that has no end yet: it was spent at its worst."""
        if self.cap_usd is not None and worst_usd is not None:
            self.spent_usd -= worst_usd
            self._reserved += worst_usd
        async with self._held(worst_usd) as reservation:
            yield reservation

    @asynccontextmanager
    async def _held(self, worst_usd: Decimal | None) -> AsyncIterator[Reservation]:
        reservation = Reservation(worst_usd=worst_usd)
        try:
            yield reservation
        finally:
            self._attempts -= reservation.unused
            self.paid_usd += reservation.paid_usd or 0
            worst_usd = reservation.worst_usd
            if self.cap_usd is not None and worst_usd is not None:
                paid = Decimal(0) if reservation.unused else reservation.paid_usd
                self._reserved -= worst_usd
                self.spent_usd += worst_usd if paid is None else paid
            self._wake()

    def lower(self, reservation: Reservation, worst_usd: Decimal | None) -> None:
        """Set no more aside than this: the attempt has turned out to be one that costs less."""
        before = reservation.worst_usd
        if before is None or worst_usd is None or worst_usd >= before:
            return
        reservation.worst_usd = worst_usd
        if self.cap_usd is not None:
            self._reserved -= before - worst_usd
        self._wake()

    def _wake(self) -> None:
        """Let all who wait look again; they move from now on, not only once it is their turn."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                self._crowd.enter()
                waiter.set_result(None)

    def must_wait(self, worst_usd: Decimal | None) -> bool:
        """Return whether the worst case is let out, if at all, only once requests under way are over."""
        return self._reserved > 0 and not self._fits(worst_usd)

    async def _reserve(self, worst_usd: Decimal | None) -> None:
        self._stop.check()
        while not self._fits(worst_usd):
            # What is under way may turn out cheaper than its worst case: wait for it before giving up.
            if self._reserved == 0:
                self._stop.request(Halt(code=ExitCode.CAPPED, reason=self._refusal(worst_usd)))
                self._stop.check()
            await self._settled()
            self._stop.check()
        if self._max_requests is not None and self._attempts >= self._max_requests:
            reason = f"stopped by --max-requests {self._max_requests}"
            reason += f", {self._earlier:,} of them before it went on" if self._earlier else ""
            self._stop.request(Halt(code=ExitCode.CAPPED, reason=reason))
            self._stop.check()
        self._attempts += 1
        if self.cap_usd is not None and worst_usd is not None:
            self._reserved += worst_usd

    async def _settled(self) -> None:
        """Wait until something that was set aside is free again."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._crowd.leave()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._crowd.enter()
            raise

    def _fits(self, worst_usd: Decimal | None) -> bool:
        """Return whether the cap allows it. With a cap, a request of unknown price is never let out."""
        if self.cap_usd is None:
            return True
        return worst_usd is not None and self.spent_usd + self._reserved + worst_usd <= self.cap_usd

    def _refusal(self, worst_usd: Decimal | None) -> str:
        if worst_usd is None:
            return f"a model without a known price cannot be held to --max-cost {self.cap_usd}"
        return (
            f"stopped by --max-cost {self.cap_usd}: {self.spent_usd:.4f} USD are spent,"
            f" and the next request may cost up to {worst_usd:.4f}"
        )
