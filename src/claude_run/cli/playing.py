"""Wiring a player: the client or the simulator, the caps, the clock, the signals."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.cli.gate import gate_run, verdict_of
from claude_run.cli.looks import plan_further
from claude_run.cli.sides import accepted_replies
from claude_run.cli.signals import graceful
from claude_run.cli.talk import complain
from claude_run.cli.wiring import ListPrices
from claude_run.conversation.script import generated_turns
from claude_run.errors import ExitCode
from claude_run.play.brake import Brake, Halt
from claude_run.play.budget import Budget
from claude_run.play.pacing import AdaptivePacing
from claude_run.play.performance import Stage
from claude_run.play.player import Player
from claude_run.play.ports import Deadlines
from claude_run.play.sender import Sender
from claude_run.record.derive import read_played
from claude_run.scenario.template import Renderer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AsyncExitStack
    from decimal import Decimal

    from claude_run.cli.looks import Looks
    from claude_run.cli.options import RunOptions
    from claude_run.cli.planning import Prepared
    from claude_run.conversation.log import ConversationLog
    from claude_run.conversation.script import Conversation
    from claude_run.play.ports import Clock, Messages, Progress, Recording
    from claude_run.record.folder import RunFolder
    from claude_run.record.journal import Journal
    from claude_run.verdict.contest import Contest


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be played, with the events that it already has and what those have cost."""

    looks: Looks
    earlier: Mapping[str, ConversationLog]
    done: frozenset[str]
    recording: Recording | None
    spent_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where it is played: the folder and its journal, the API, who watches, and the clock."""

    folder: RunFolder
    journal: Journal
    messages: Messages | None
    progress: Progress
    clock: Clock


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


async def perform(job: Job, scene: Scene) -> Contest | None:
    """Play the job, write down how it began and ended, and hold it against its baseline if it has one."""
    journal, clock, prepared = scene.journal, scene.clock, job.looks.prepared
    begin = clock.monotonic()
    journal.append_run("started", at=clock.now())
    try:
        halt = await _play_looks(job, scene)
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
    if prepared.baseline is None or halt is not None:
        return None
    played, gate = read_played(scene.folder), prepared.options.gate
    contest = gate_run(played, prepared.baseline, gate, looks=job.looks.number)
    verdict = verdict_of(contest, gate, prepared.plan.pass_rates)
    if verdict is None:
        complain("warning: too few cases to gate on, so each must pass on its own, as without --baseline")
        return contest
    journal.append_run("gated", code=int(verdict.code), verdict=verdict.verdict, reason=verdict.reason)
    await journal.synced()
    return contest


async def _play_looks(job: Job, scene: Scene) -> Halt | None:
    brake = Brake()
    player = _player(job, scene, brake)
    timer = asyncio.create_task(_stop_in_time(brake, scene.clock, job.looks.prepared.options))
    try:
        with graceful(brake, grace_s=job.looks.prepared.options.grace_s):
            for look in range(job.looks.number):
                needed = job.looks.needed(look, scene.folder)
                plan_further(scene.folder, needed, job.looks.prepared.plan.pass_rates)
                todo = [conversation for conversation in needed if conversation.id not in job.done]
                halt = await player.play(todo, job.earlier) if todo else None
                if halt is not None or not needed:
                    return halt
    finally:
        timer.cancel()
    return None


def _player(job: Job, scene: Scene, brake: Brake) -> Player:
    prepared, clock = job.looks.prepared, scene.clock
    options = prepared.options
    sender = Sender(
        messages=scene.messages,
        recording=job.recording,
        prices=ListPrices(),
        budget=Budget(
            options.max_cost, brake=brake, max_requests=options.max_requests, spent_usd=job.spent_usd
        ),
        pacing=AdaptivePacing(ceiling=options.concurrency, clock=clock),
        brake=brake,
        clock=clock,
        progress=scene.progress,
        deadlines=Deadlines(
            attempt_s=options.attempt_s, end=clock.monotonic() + (options.max_time_s or math.inf)
        ),
    )
    stage = Stage(
        sender=sender,
        recorder=scene.journal,
        registry=prepared.registry,
        brake=brake,
        clock=clock,
        progress=scene.progress,
        accepted=_accepted(prepared),
    )
    return Player(stage=stage, concurrency=options.concurrency, max_failures=options.max_failures)


def _accepted(prepared: Prepared) -> Callable[[Conversation, int], str | None]:
    """Return what finds the accepted reply to a turn: of the same model, or of the only one accepted."""
    replies = accepted_replies(prepared.accepted) if prepared.accepted else {}

    def find(conversation: Conversation, turn: int) -> str | None:
        by_model = replies.get(conversation.identity.question_name, {})
        only = next(iter(by_model.values())) if len(by_model) == 1 else ()
        texts = by_model.get(conversation.identity.model_label, only)
        position = generated_turns(conversation.turns).index(turn)
        return texts[position] if position < len(texts) else None

    return find


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
