"""The real command with a fast clock, or a disk on which it dies.

    python -m tests.system.harness.altered_command [--speed N] [--crash-at N] [--tear] -- ARGUMENTS

`--speed` makes time pass N times as fast for waits and deadlines, though sockets keep their own pace.
`--crash-at` kills the process with SIGKILL at its N-th write to a run folder (from 1); with `--tear` half of
that write's bytes reach the file first.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from claude_run.cli.app import run_command_line
from claude_run.record.disk import LocalDisk
from claude_run.session.world import SystemClock, World

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


@dataclass(frozen=True)
class FastClock(SystemClock):
    """Time that passes `speed` times as fast."""

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
    """The real file system, until the process is killed in the middle of a write."""

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


def main() -> int:
    """Read the options before `--`, and run the rest as the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--crash-at", type=int, default=0)
    parser.add_argument("--tear", action="store_true")
    split = sys.argv.index("--")
    options = parser.parse_args(sys.argv[1:split])
    disk = CrashingDisk(options.crash_at, options.tear) if options.crash_at else LocalDisk()
    world = World(clock=FastClock(options.speed), disk=disk)
    return run_command_line(sys.argv[split + 1 :], world)


if __name__ == "__main__":
    sys.exit(main())
