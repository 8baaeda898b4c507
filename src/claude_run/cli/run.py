"""The `run` command: plan, play, report."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run import __version__
from claude_run.cli.looks import Looks
from claude_run.cli.planning import prepare
from claude_run.cli.playing import Job, Scene, connect, perform
from claude_run.cli.reports import finish, refuse_unwritable
from claude_run.cli.talk import say
from claude_run.cli.terminal import Terminal
from claude_run.plan.prices import price_table
from claude_run.record.folder import RunFolder
from claude_run.record.recording import Recording
from claude_run.record.redact import Redactor
from claude_run.record.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.cli.options import RunOptions
    from claude_run.cli.planning import Prepared
    from claude_run.cli.wiring import World
    from claude_run.conversation.script import Conversation
    from claude_run.verdict.contest import Contest


def run(options: RunOptions, world: World) -> int:
    """Play what the options select and return the exit code."""
    ready = prepare(options)
    refuse_unwritable(options)
    terminal = Terminal.of(options)
    folder, contest = asyncio.run(_play(ready, terminal=terminal, world=world))
    return finish(folder, terminal, options, contest)


def list_conversations(options: RunOptions) -> int:
    """Print the ids of the selected conversations, one a line."""
    for conversation in prepare(options).plan.conversations:
        say(conversation.id)
    return 0


async def _play(ready: Prepared, *, terminal: Terminal, world: World) -> tuple[RunFolder, Contest | None]:
    options, looks = ready.options, Looks.of(ready)
    job = Job(looks=looks, earlier={}, done=frozenset(), recording=_recording(options), spent_usd=Decimal(0))
    async with AsyncExitStack() as stack:
        messages = await connect(options, ready.plan.conversations, stack)
        folder = RunFolder.create(
            _run_of(ready, looks.by_look[0], created_at=world.clock.now()),
            out=options.out,
            stamp=datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ"),
            disk=world.disk,
            redactor=Redactor.from_environment(os.environ),
        )
        scene = Scene(
            folder=folder,
            journal=stack.enter_context(closing(folder.open_journal())),
            messages=messages,
            progress=terminal.progress(),
            clock=world.clock,
        )
        contest = await perform(job, scene)
    return folder, contest


def _recording(options: RunOptions) -> Recording | None:
    path = options.replay or options.reuse
    return None if path is None else Recording.open(path)


def _run_of(ready: Prepared, conversations: Sequence[Conversation], *, created_at: str) -> Run:
    plan, options = ready.plan, ready.options
    scenarios = list(plan.pass_rates)
    return Run(
        name=scenarios[0] if len(scenarios) == 1 else f"{len(scenarios)}-scenarios",
        claude_run=__version__,
        created_at=created_at,
        paths=options.paths,
        options=options.to_json(),
        files=plan.files,
        pass_rates=plan.pass_rates,
        prices=price_table(),
        simulated=options.simulate,
        conversations=tuple(each.identity for each in conversations),
    )
