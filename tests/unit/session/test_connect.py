"""Signals while a run is played, and just before."""

from __future__ import annotations

import asyncio
import signal

import pytest

from claude_run.play.stop import StopSignal
from claude_run.process import Signals
from claude_run.session.connect import graceful


@pytest.mark.parametrize("before", [0, 1], ids=["meanwhile", "before"])
def test_a_signal_that_came_before_the_run_stops_it_too(before: int) -> None:
    """It is the first: one more stops what is under way."""
    signals, stop, said = Signals(), StopSignal(), list[str]()

    async def play() -> list[tuple[bool, bool]]:
        seen = []
        with signals.heard():
            signals.postpone()
            for _ in range(before):
                signal.raise_signal(signal.SIGINT)
            with graceful(signals, stop, grace_s=1, notify=said.append):
                for _ in range(2 - before):
                    signal.raise_signal(signal.SIGINT)
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                    seen.append((stop.halt is not None, stop.is_now))
        return seen

    assert asyncio.run(play())[-1] == (True, True)
    assert [line.split(";")[0] for line in said] == [
        "SIGINT: nothing more is sent",
        "SIGINT: what is under way is given up",
    ]
