"""The real things behind the ports: clock, disk, prices, signals; every command has them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from claude_run.process import Signals
from claude_run.record.disk import LocalDisk
from claude_run.record.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from decimal import Decimal
    from typing import TypeVar

    from claude_run.conversation.exchange import Exchange, Request
    from claude_run.conversation.steps import Send
    from claude_run.play.ports import Clock
    from claude_run.record.disk import Disk
    from claude_run.scenario.json_values import JsonObject

    T = TypeVar("T")


class SystemClock:
    """Time as it passes."""

    def now(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        import asyncio  # noqa: PLC0415 - most commands wait for nothing

        await asyncio.sleep(seconds)

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        import asyncio  # noqa: PLC0415 - same

        async with asyncio.timeout(seconds):
            return await work


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a use case needs of the machine; tests hand in another clock, or a disk that fails."""

    clock: Clock = field(default_factory=SystemClock)
    disk: Disk = field(default_factory=LocalDisk)
    redactor: Redactor = field(default_factory=lambda: Redactor.from_environment(os.environ))
    signals: Signals = field(default_factory=Signals)

    @property
    def today(self) -> date:
        """The day, in UTC."""
        return date.fromisoformat(self.clock.now()[:10])


class ListPrices:
    """The list prices of `plan.prices`, imported when the first request needs them."""

    def worst(self, step: Send, exchanges: Sequence[Exchange]) -> Decimal | None:
        from claude_run.plan.estimate import worst_cost_after  # noqa: PLC0415 - imports the price table

        return worst_cost_after(step, exchanges)

    def worst_batched(self, step: Send, exchanges: Sequence[Exchange]) -> Decimal | None:
        from claude_run.plan.estimate import worst_cost_after  # noqa: PLC0415 - imports the price table

        return worst_cost_after(step, exchanges, batch=True)

    def paid(self, request: Request, body: JsonObject) -> Decimal | None:
        from claude_run.plan.prices import cost  # noqa: PLC0415 - imports the price table

        return cost(body, model=request.model)
