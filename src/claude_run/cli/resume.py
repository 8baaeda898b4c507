"""`run --resume`: go on with a run where it stopped, paying for nothing twice."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

from claude_run.cli.looks import Looks
from claude_run.cli.planning import load_scenarios, make_plan, prepared, registry_of
from claude_run.cli.playing import Job, Scene, connect, perform
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
    from collections.abc import Sequence

    from claude_run.cli.options import RunOptions
    from claude_run.cli.planning import Prepared
    from claude_run.cli.wiring import World
    from claude_run.conversation.script import Conversation
    from claude_run.plan.matrix import Plan
    from claude_run.record.history import History
    from claude_run.record.journal import Journal
    from claude_run.record.run import Run
    from claude_run.scenario.model import Json, Scenario
    from claude_run.verdict.contest import Contest


def resume(options: RunOptions, world: World) -> int:
    """Continue every conversation of a run at its next unsent turn and return the exit code."""
    path = options.resume or latest()
    folder = RunFolder.open(path, disk=world.disk, redactor=Redactor.from_environment(os.environ))
    ignored = options.shaping_flags()
    if ignored:
        complain(f"warning: {', '.join(ignored)}: ignored, a resumed run keeps what it was started with")
    with closing(folder.open_journal()) as journal:
        options, contest = asyncio.run(_resume(options, folder, journal=journal, world=world))
    return finish(folder, Terminal.of(options), options, contest)


async def _resume(
    options: RunOptions, folder: RunFolder, *, journal: Journal, world: World
) -> tuple[RunOptions, Contest | None]:
    run = folder.read_run()
    options = _restored(options, run, folder)
    registry = registry_of(options)
    scenarios = load_scenarios(options, registry)
    changed = _changed(scenarios, run)
    if changed and not options.resume_changed:
        raise InputError(
            f"{', '.join(sorted(changed))}: changed since the run was started; put the old text back, start a"
            " new run with --reuse, or pass --resume-changed to play what changed anew in this one"
        )
    ready = _planned(prepared(replace(options, last_failed=False), scenarios, registry), run)
    async with AsyncExitStack() as stack:
        messages = await connect(options, ready.plan.conversations, stack)
        if changed:
            journal.append_run("changed", superseded=_stale(ready.plan, changed))
            await journal.synced()
            # Only now: whoever is killed before is asked for --resume-changed again.
            files, rates = {**run.files, **ready.plan.files}, ready.plan.pass_rates
            folder.write_json("run.json", replace(run, files=files, pass_rates=rates).to_json())
        scene = Scene(
            folder=folder,
            journal=journal,
            messages=messages,
            progress=Terminal.of(options).progress(),
            clock=world.clock,
        )
        contest = await perform(_job(ready, read_history(folder.journal)), scene)
    return options, contest


def _planned(ready: Prepared, run: Run) -> Prepared:
    """Keep to the conversations that the run was planned with; `--until-sure` may still add to them."""
    if ready.options.until_sure:
        return ready
    ids = frozenset(item.id for item in run.conversations)
    return replace(ready, plan=make_plan(ready.options, ready.scenarios, ids=ids))


def _job(ready: Prepared, history: History) -> Job:
    """Leave out what has ended, go on with what has begun, and take every reply that the journal has."""
    options, conversations = ready.options, ready.plan.conversations
    done = frozenset(each.id for each in conversations if _has_ended(history, each, options))
    path = options.replay or options.reuse
    return Job(
        looks=Looks.of(ready),
        earlier={name: log for name, log in history.logs.items() if name not in done},
        done=done,
        recording=Recording([history] if path is None else [history, Recording.history_of(path)]),
        spent_usd=history.spent_usd(),
    )


def _has_ended(history: History, conversation: Conversation, options: RunOptions) -> bool:
    log = history.logs.get(conversation.id)
    if log is None or log.ended is None:
        return False
    return not (options.retry_errors and log.ended.outcome is Outcome.ERRORED)


def _changed(scenarios: Sequence[Scenario], run: Run) -> frozenset[str]:
    """Return the paths of the run's scenarios that are not what they were."""
    return frozenset(
        scenario.path
        for scenario in scenarios
        if run.files.get(scenario.path, scenario.sha256) != scenario.sha256
    )


def _stale(plan: Plan, changed: frozenset[str]) -> list[Json]:
    """Return the conversations whose events count no longer, but as a recording."""
    return [conversation.id for conversation in plan.conversations if conversation.identity.path in changed]


def _restored(options: RunOptions, run: Run, folder: RunFolder) -> RunOptions:
    try:
        return options.restored(run.paths, run.options)
    except (KeyError, TypeError) as error:
        raise StorageError(f"{folder.run_json}: the saved options are incomplete ({error})") from error
