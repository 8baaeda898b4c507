"""SIGINT and SIGTERM: the first stops new sends and lets what is under way finish, the second stops now."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from claude_run.cli.talk import complain
from claude_run.errors import ExitCode
from claude_run.play.brake import Halt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.play.brake import Brake

_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


@contextmanager
def graceful(brake: Brake, *, grace_s: float) -> Iterator[None]:
    """Pull the brake on a signal while the block runs, also where something else is stopping the run."""
    loop = asyncio.get_running_loop()
    seen: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        seen.append(number)
        if len(seen) > 1:
            brake.pull_now()
            return
        complain(
            f"{number.name}: nothing more is sent; replies under way have {grace_s:g} s, again stops now"
        )
        brake.interrupt(Halt(code=_CODES[number], reason=f"stopped by {number.name}", grace_s=grace_s))

    for number in _CODES:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number in _CODES:
            loop.remove_signal_handler(number)
