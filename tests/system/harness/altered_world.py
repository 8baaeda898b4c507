"""A clock on which time passes fast, and a disk on which the process dies."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from claude_run.record.disk import LocalDisk
from claude_run.session.world import SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


@dataclass(frozen=True)
class FastClock(SystemClock):
    """Time that passes `speed` times as fast for waits and deadlines; sockets keep their own pace."""

    speed: float

    def monotonic(self) -> float:
        return time.monotonic() * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        async with asyncio.timeout(seconds / self.speed):
            return await work


@dataclass
class CrashingDisk(LocalDisk):
    """The real file system, until the process is killed by SIGKILL at its write number `crash_at`, from 1.

    With `tear` half of the bytes of that write reach the file first.
    """

    crash_at: int
    tear: bool
    writes: int = 0

    def write(self, descriptor: int, data: bytes) -> int:
        self.writes += 1
        if self.writes == self.crash_at:
            if self.tear:
                super().write(descriptor, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return super().write(descriptor, data)
