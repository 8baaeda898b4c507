"""Plays the conversations of a plan, many at once, each from its next unsent turn to its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.play.brake import Halt, HaltedError
from claude_run.play.performance import Performance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from claude_run.conversation.log import ConversationLog
    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.play.brake import Brake
    from claude_run.play.performance import Stage
    from claude_run.play.ports import Clock


@dataclass(slots=True, kw_only=True, eq=False)
class Player:
    """Plays conversations, at most `concurrency` of them under way for each model."""

    stage: Stage
    concurrency: int
    max_failures: int | None = None
    _failures: int = 0

    async def play(
        self, conversations: Sequence[Conversation], earlier: Mapping[str, ConversationLog]
    ) -> Halt | None:
        """Play them all; return why the run ended early, or None.

        `earlier` holds what a resumed run already has, by conversation id. An error of storage,
        or a bug, ends everything at once and is raised.
        """
        self.stage.progress.begin(len(conversations))
        workers = {
            asyncio.create_task(self._work(queue, earlier))
            for queue in _queues(conversations)
            for _ in range(min(self.concurrency, len(conversations)))
        }
        try:
            await self._supervise(workers)
        finally:
            await _cancel(workers)
            self.stage.progress.end()
        return self.stage.brake.halt

    async def _supervise(self, workers: set[asyncio.Task[None]]) -> None:
        """Wait for the workers; once the brake is pulled, only for those whose request is under way."""
        pulled = asyncio.create_task(self.stage.brake.pulled())
        running = set(workers)
        try:
            while running and not pulled.done():
                done, _ = await asyncio.wait({*running, pulled}, return_when=asyncio.FIRST_COMPLETED)
                running -= _finished(done)
            if running:
                await self._let_finish(running, pulled.result())
        finally:
            await _cancel({pulled})

    async def _let_finish(self, running: set[asyncio.Task[None]], halt: Halt) -> None:
        sending = running & self.stage.sender.sending
        await _cancel(running - sending)
        brake, clock = self.stage.brake, self.stage.clock
        ends = {
            asyncio.create_task(brake.pulled_again()),
            asyncio.create_task(_grace(clock, halt.grace_s)),
            asyncio.create_task(_grace_of_user(clock, brake)),
        }
        try:
            while sending and not any(end.done() for end in ends):
                done, _ = await asyncio.wait({*sending, *ends}, return_when=asyncio.FIRST_COMPLETED)
                sending -= _finished(done)
        finally:
            await _cancel({*sending, *ends})

    async def _work(self, queue: Iterable[Conversation], earlier: Mapping[str, ConversationLog]) -> None:
        for conversation in queue:
            try:
                self.stage.brake.check()
                transcript = await Performance(self.stage, conversation, earlier.get(conversation.id)).play()
            except HaltedError:
                return
            self.stage.progress.finished(transcript)
            self._count(transcript)

    def _count(self, transcript: Transcript) -> None:
        if transcript.outcome in {Outcome.FAILED, Outcome.ERRORED}:
            self._failures += 1
        if self.max_failures is not None and self._failures >= self.max_failures:
            reason = f"stopped after {self._failures} failed conversations (--max-failures)"
            self.stage.brake.pull(Halt(code=ExitCode.FAILED, reason=reason))


def _queues(conversations: Sequence[Conversation]) -> list[Iterable[Conversation]]:
    """Return one iterator per model, which the workers of that model share."""
    by_model: dict[str, list[Conversation]] = {}
    for conversation in conversations:
        by_model.setdefault(conversation.model, []).append(conversation)
    return [iter(queue) for queue in by_model.values()]


def _finished(done: Iterable[asyncio.Task[object]]) -> set[asyncio.Task[None]]:
    """Return the tasks as a set, and raise what one of them has raised."""
    tasks = set(done)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
    return tasks  # type: ignore[return-value] # only workers are looked for in it


async def _cancel(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel what still runs and wait for its end; the first error is on its way up already."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _grace_of_user(clock: Clock, brake: Brake) -> None:
    """Return when a user who interrupts, perhaps a run that stops already, has waited long enough."""
    await _grace(clock, (await brake.interrupted()).grace_s)


async def _grace(clock: Clock, seconds: float | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await clock.sleep(seconds)
