"""Wiring a player: the client or the simulator, the caps, the clock, the signals."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.checks.registry import default_registry
from claude_run.cli.signals import graceful
from claude_run.cli.wiring import ListPrices
from claude_run.errors import ExitCode
from claude_run.play.brake import Brake, Halt
from claude_run.play.budget import Budget
from claude_run.play.performance import Stage
from claude_run.play.player import Player
from claude_run.play.sender import Limits, Sender
from claude_run.scenario.template import Renderer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AsyncExitStack
    from decimal import Decimal

    from claude_run.cli.options import RunOptions
    from claude_run.conversation.events import Event
    from claude_run.conversation.script import Conversation
    from claude_run.play.ports import Clock, Messages, Progress, Recording
    from claude_run.record.journal import Journal

CONVERSATION_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be played, with the events that it already has and what those have cost."""

    options: RunOptions
    conversations: Sequence[Conversation]
    earlier: Mapping[str, tuple[Event, ...]]
    recording: Recording | None
    spent_usd: Decimal


def renderer_of(conversation: Conversation) -> Renderer:
    """Return what renders the texts of a conversation."""
    return Renderer(conversation.vars)


async def connect(
    options: RunOptions, conversations: Sequence[Conversation], stack: AsyncExitStack
) -> Messages | None:
    """Open the client, to the simulator where that is wanted; None where nothing may be sent.

    CredentialsError when there is no key.
    """
    if options.replay is not None:
        return None
    from claude_run.api.client import open_client  # noqa: PLC0415 - the SDK costs seconds
    from claude_run.api.messages import AnthropicMessages  # noqa: PLC0415 - same

    url = await _simulator_url(options, conversations, stack) if options.simulate else None
    client = await stack.enter_async_context(open_client(attempt_s=options.attempt_s, simulator_url=url))
    return AnthropicMessages(client)


async def perform(
    job: Job, *, journal: Journal, messages: Messages | None, progress: Progress, clock: Clock
) -> None:
    """Play the job and write down how it began and ended."""
    begin = clock.monotonic()
    journal.append_run("started", at=clock.now())
    try:
        halt = await _play(job, journal=journal, messages=messages, progress=progress, clock=clock)
    finally:
        await journal.settled()
    journal.append_run(
        "ended",
        at=clock.now(),
        duration_s=round(clock.monotonic() - begin, 3),
        stop=int(halt.code) if halt else None,
        reason=halt.reason if halt else None,
    )
    await journal.synced()


async def _play(
    job: Job, *, journal: Journal, messages: Messages | None, progress: Progress, clock: Clock
) -> Halt | None:
    options, brake = job.options, Brake()
    sender = Sender(
        messages=messages,
        recording=job.recording,
        prices=ListPrices(),
        budget=Budget(options.max_cost, spent_usd=job.spent_usd),
        brake=brake,
        clock=clock,
        progress=progress,
        limits=Limits(
            concurrency=options.concurrency, attempt_s=options.attempt_s, requests=options.max_requests
        ),
        deadline=clock.monotonic() + (options.max_time_s or float("inf")),
    )
    stage = Stage(
        sender=sender,
        recorder=journal,
        registry=default_registry(),
        brake=brake,
        clock=clock,
        progress=progress,
        conversation_s=CONVERSATION_S,
    )
    player = Player(stage=stage, concurrency=options.concurrency, max_failures=options.max_failures)
    timer = asyncio.create_task(_stop_in_time(brake, clock, options))
    try:
        with graceful(brake, grace_s=options.grace_s):
            return await player.play(job.conversations, job.earlier)
    finally:
        timer.cancel()


async def _stop_in_time(brake: Brake, clock: Clock, options: RunOptions) -> None:
    if options.max_time_s is not None:
        await clock.sleep(options.max_time_s)
        reason = f"stopped by --max-time after {options.max_time_s:g} s"
        brake.pull(Halt(code=ExitCode.CAPPED, reason=reason, grace_s=options.grace_s))


async def _simulator_url(
    options: RunOptions, conversations: Sequence[Conversation], stack: AsyncExitStack
) -> str:
    from claude_run.simulator.examples import ExampleBook  # noqa: PLC0415 - only a simulated run needs it
    from claude_run.simulator.fault_text import parse_faults  # noqa: PLC0415 - same
    from claude_run.simulator.server import Simulator  # noqa: PLC0415 - same

    replies = ExampleBook.from_conversations(conversations, renderer_of)
    simulator = Simulator(replies=replies, faults=parse_faults(options.faults or ""), ledger_limit=0)
    return (await stack.enter_async_context(simulator)).base_url
