"""`run --resume`: go on with a run where it stopped, paying for nothing twice."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING

from claude_run.cli.planning import load_scenarios, make_plan, refuse_unpriced
from claude_run.cli.playing import Job, connect, perform
from claude_run.cli.reports import finish
from claude_run.cli.talk import complain
from claude_run.cli.terminal import Terminal
from claude_run.conversation.results import Outcome
from claude_run.errors import InputError, StorageError
from claude_run.record.folder import RunFolder, latest
from claude_run.record.history import read_history
from claude_run.record.recording import Recording
from claude_run.record.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.cli.options import RunOptions
    from claude_run.cli.wiring import World
    from claude_run.conversation.events import Event
    from claude_run.conversation.script import Conversation
    from claude_run.plan.matrix import Plan
    from claude_run.record.history import History
    from claude_run.record.journal import Journal
    from claude_run.record.run import Run


def resume(options: RunOptions, world: World) -> int:
    """Continue every conversation of a run at its next unsent turn and return the exit code."""
    path = options.resume or latest()
    folder = RunFolder.open(path, disk=world.disk, redactor=Redactor.from_environment(os.environ))
    ignored = options.shaping_flags()
    if ignored:
        complain(f"warning: {', '.join(ignored)}: ignored, a resumed run keeps what it was started with")
    with closing(folder.open_journal()) as journal:
        asyncio.run(_resume(options, folder, journal=journal, world=world))
    return finish(folder, Terminal.of(options), as_json=options.json)


async def _resume(options: RunOptions, folder: RunFolder, *, journal: Journal, world: World) -> None:
    run = folder.read_run()
    options = _restored(options, run, folder)
    plan = make_plan(options, load_scenarios(options), ids=frozenset(item.id for item in run.conversations))
    refuse_unpriced(options, plan)
    history = read_history(folder.journal)
    changed = _changed(plan, run)
    if changed and not options.resume_changed:
        raise InputError(
            f"{', '.join(sorted(changed))}: changed since the run was started; put the old text back, start a"
            " new run with --reuse, or pass --resume-changed to play what changed anew in this one"
        )
    job = _job(options, plan, history, changed=changed)
    async with AsyncExitStack() as stack:
        messages = await connect(options, plan.conversations, stack)
        if changed:
            folder.write_json("run.json", {**run.to_json(), "files": dict(plan.files)})
        progress = Terminal.of(options).progress()
        await perform(job, journal=journal, messages=messages, progress=progress, clock=world.clock)


def _job(options: RunOptions, plan: Plan, history: History, *, changed: frozenset[str]) -> Job:
    """Leave out what has ended; play what changed from its first turn, taking recorded replies again."""
    todo = [
        conversation
        for conversation in plan.conversations
        if conversation.path in changed or not _has_ended(history, conversation, options)
    ]
    earlier: Mapping[str, tuple[Event, ...]] = {
        conversation.id: history.events[conversation.id]
        for conversation in todo
        if conversation.path not in changed and conversation.id in history.events
    }
    path = options.replay or options.reuse
    recordings = [history] if changed else []
    if path is not None:
        recordings.append(Recording.history_of(path))
    return Job(
        options=options,
        conversations=todo,
        earlier=earlier,
        recording=Recording(recordings) if recordings else None,
        spent_usd=history.spent_usd(),
    )


def _has_ended(history: History, conversation: Conversation, options: RunOptions) -> bool:
    ended = history.ended(conversation.id)
    if ended is None:
        return False
    return not (options.retry_errors and ended.outcome is Outcome.ERRORED)


def _changed(plan: Plan, run: Run) -> frozenset[str]:
    return frozenset(path for path, digest in plan.files.items() if run.files.get(path) != digest)


def _restored(options: RunOptions, run: Run, folder: RunFolder) -> RunOptions:
    try:
        return options.restored(run.paths, run.options)
    except (KeyError, TypeError) as error:
        raise StorageError(f"{folder.run_json}: the saved options are incomplete ({error})") from error
