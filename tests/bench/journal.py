"""What the journal's syncs cost beside a 50 ms API with 100 requests in flight: a run with and without."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from claude_run.checks.registry import default_registry
from claude_run.play.budget import Budget
from claude_run.play.pace import RunPace
from claude_run.play.pacing import AdaptivePacing
from claude_run.play.prefixes import Prefixes
from claude_run.play.runner import LocalExecutor, PlayContext, Player
from claude_run.play.sender import Sender
from claude_run.play.stop import StopSignal
from claude_run.record.disk import LocalDisk
from claude_run.record.journal import Journal
from claude_run.session.world import SystemClock
from tests.unit.play.fakes import FakeMessages, FakeProgress, FlatPrices, conversation

LATENCY_S = 0.05
IN_FLIGHT = 100
CONVERSATIONS = 300
ROUNDS = 5


class CountingDisk(LocalDisk):
    """The real disk, whose syncs are counted, and left out where `durable` is false."""

    def __init__(self, *, durable: bool) -> None:
        self.syncs = 0
        self._durable = durable

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        if self._durable:
            super().sync(descriptor)


def bench() -> str:
    """Return one line: median wall seconds with and without syncs, their ratio, and the number of syncs."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    syncs = replies = peak = 0
    for _ in range(ROUNDS):
        for durable, measured in seconds.items():
            disk, messages = CountingDisk(durable=durable), FakeMessages(latency_s=LATENCY_S)
            measured.append(_timed(disk, messages))
            if durable:
                syncs, replies, peak = disk.syncs, len(messages.requests), messages.peak
    with_sync, without = (statistics.median(seconds[durable]) for durable in (True, False))
    return (
        f"journal: {replies} replies of a {LATENCY_S * 1000:.0f} ms API, up to {peak} in flight:"
        f" {with_sync:.2f} s synced, {without:.2f} s not, {with_sync / without:.2f} times as long"
        f" ({syncs} syncs, shared)"
    )


def _timed(disk: CountingDisk, messages: FakeMessages) -> float:
    # Not in the system's temporary folder, which may be memory.
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        begin = time.perf_counter()
        asyncio.run(_play(Path(folder) / "journal.jsonl", disk, messages))
        return time.perf_counter() - begin


async def _play(path: Path, disk: CountingDisk, messages: FakeMessages) -> None:
    stop, clock, progress = StopSignal(), SystemClock(), FakeProgress()
    pace = RunPace(
        budget=Budget(None, stop=stop),
        pacing=AdaptivePacing(ceiling=IN_FLIGHT, clock=clock),
        prefixes=Prefixes(clock),
        stop=stop,
        clock=clock,
        progress=progress,
    )
    sender = Sender(
        messages=messages,
        recording=None,
        prices=FlatPrices(),
        pace=pace,
        stop=stop,
        clock=clock,
        progress=progress,
    )
    with closing(Journal(path, disk=disk)) as journal:
        context = PlayContext(
            sender=sender,
            recorder=journal,
            registry=default_registry(),
            stop=stop,
            clock=clock,
        )
        player = Player(
            executor=LocalExecutor(context),
            stop=stop,
            clock=clock,
            progress=progress,
            spending=pace.budget,
            concurrency=IN_FLIGHT,
        )
        conversations = [conversation(f"talk-{number}") for number in range(CONVERSATIONS)]
        halt = await player.play(conversations, {})
    assert halt is None
    assert len(progress.finished_ids) == CONVERSATIONS
