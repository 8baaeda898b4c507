"""Sends the requests of a run in batches: the same steps as live, but for how an attempt is made."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from claude_run.conversation.steps import kept_for_an_hour
from claude_run.play.batch_calls import DAY_S
from claude_run.play.ports import FailedInBatchError
from claude_run.play.retry import GiveUp, StopRun
from claude_run.play.sender import Sender
from claude_run.play.stop import HaltedError, hopeless

if TYPE_CHECKING:
    from decimal import Decimal

    from claude_run.conversation.exchange import Exchange
    from claude_run.play.batch_queue import BatchQueue
    from claude_run.play.pace import RunPace
    from claude_run.play.ports import BatchPrices, RequestFailedError
    from claude_run.play.sender import JournalledLog, PendingRequest


@dataclass(slots=True, kw_only=True, eq=False)
class BatchSender(Sender):
    """A sender whose attempts are parts of batches, but for those that the queue wants to be sent live."""

    pace: RunPace
    queue: BatchQueue
    batch_prices: BatchPrices
    _failed: Counter[str] = field(default_factory=Counter)

    async def _attempt(
        self, pending: PendingRequest, log: JournalledLog, worst_usd: Decimal | None
    ) -> Exchange:
        # An earlier process has put it into a batch: that attempt goes on, and there is no other.
        if (seat := self.queue.adopted(pending.key)) is not None:
            n = log.known.tries(pending.key) or self._announce(pending, log, None, in_batch=True)
            earlier_usd = log.known.attempts.worst_usd(pending.key, n)
            async with self.pace.budget.carried(earlier_usd) as reservation:
                return await self._end(pending, log, reservation, n=n, received=self.queue.outcome(seat))
        if not self.queue.over:
            exchange = await self._in_batch(pending, log, worst_usd)
            if exchange is not None:
                return exchange
        return await Sender._attempt(self, pending, log, worst_usd)  # noqa: SLF001 - its own parent; slots know no `super()`

    async def _in_batch(
        self, pending: PendingRequest, log: JournalledLog, live_usd: Decimal | None
    ) -> Exchange | None:
        """Make the attempt as a part of a batch, or as the one that proves its model.

        None where all goes live by now, and nothing was sent.
        """
        request = pending.step.request
        if pending.judge is None:
            request = kept_for_an_hour(pending.conversation, request)
        batch_usd = self.batch_prices.worst_batched(
            replace(pending.step, request=request), log.known.exchanges if pending.judge is None else ()
        )
        # As long as it may be the one that is sent live, it may cost as much.
        worst_usd = batch_usd
        if not self.queue.is_proven(pending.model):
            worst_usd = None if batch_usd is None or live_usd is None else max(batch_usd, live_usd)
        async with AsyncExitStack() as held:
            # The worst case first: whoever cannot be paid for now is not waited for.
            with self._waits():
                reservation = await held.enter_async_context(self.pace.reserved(worst_usd, at_most_s=DAY_S))
                reservation.unused = True
                if self.queue.is_proven(pending.model):
                    self.pace.budget.lower(reservation, batch_usd)
                seat = await self.queue.seat(
                    pending.key, request, lambda: self.pace.budget.lower(reservation, batch_usd)
                )
                if seat.live and self.queue.over:
                    return None
                if seat.live:
                    await held.enter_async_context(self.pace.pacing.slot(pending.model))
            reservation.unused = False
            if seat.live:
                n = self._announce(pending, log, worst_usd)
                exchange = await self._end(pending, log, reservation, n=n, received=self._received(pending))
                self.queue.prove(pending.model)
                return exchange
            self.pace.budget.lower(reservation, batch_usd)
            try:
                n = self._announce(pending, log, batch_usd, in_batch=True)
            except BaseException:
                self.queue.leave(seat)
                raise
            return await self._end(pending, log, reservation, n=n, received=self.queue.outcome(seat))

    async def _wait_to_retry(self, error: RequestFailedError, pending: PendingRequest) -> None:
        if not isinstance(error, FailedInBatchError):
            await Sender._wait_to_retry(self, error, pending)  # noqa: SLF001 - same
            return
        self._failed[pending.key] += 1
        # What is finished live from now on has failed in no request of its own yet.
        attempts = 1 if self.queue.over else self._failed[pending.key]
        match self.pace.policy.decide_in_batch(error.failure, attempts=attempts):
            case StopRun():
                self.stop.request(hopeless(error.failure, wait_s=None, now=self.clock.now()))
                raise HaltedError(error.failure.message) from error
            case GiveUp():
                raise error
        self.stop.check()
