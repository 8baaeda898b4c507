"""The use cases of `run`: play what was prepared, go on where a run stopped, or say what it would cost."""

from __future__ import annotations

from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.checks.judge_check import judges_of
from claude_run.conversation.results import Outcome
from claude_run.errors import InputError, StorageError
from claude_run.plan.estimate import estimate
from claude_run.plan.prices import price_table
from claude_run.record.folder import RunFolder, latest
from claude_run.record.history import read_history
from claude_run.record.recording import Recording
from claude_run.scenario.template import Renderer
from claude_run.session.options import restored, shaping_flags
from claude_run.session.play import RunInputs, RunIO, RunResult, play_new, play_run
from claude_run.session.prepare import load_scenarios, make_plan, plan_loaded
from claude_run.session.world import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.conversation.script import Conversation
    from claude_run.plan.estimate import Estimate
    from claude_run.plan.matrix import Plan
    from claude_run.record.history import History
    from claude_run.record.run import Run
    from claude_run.scenario.model import Json, Scenario
    from claude_run.session.play import RunObserver
    from claude_run.session.prepare import Prepared
    from claude_run.session.request import ResumeRequest, RunRequest
    from claude_run.session.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What would be played, and what it may cost at most beside the answers of judges, by `prices`."""

    ids: tuple[str, ...]
    bound: Estimate
    judge_answers: int
    prices: str


async def run(prepared: Prepared, observer: RunObserver, world: World) -> RunResult:
    """Play what was prepared in a new run folder."""
    request, scenarios = prepared.request, list(prepared.plan.pass_rates)
    path = request.replay or request.reuse
    inputs = RunInputs(prepared=prepared, recording=None if path is None else Recording.open(path))
    name = scenarios[0] if len(scenarios) == 1 else f"{len(scenarios)}-scenarios"
    return await play_new(inputs, observer, world, name=name, out=request.out)


def dry_run(prepared: Prepared) -> DryRun:
    """Return what playing would come to; nothing is sent and nothing is written."""
    conversations = prepared.plan.conversations
    return DryRun(
        ids=tuple(conversation.id for conversation in conversations),
        bound=estimate(prepared.plan, lambda conversation: Renderer(conversation.vars)),
        judge_answers=sum(len(judges_of(conversation)) for conversation in conversations),
        prices=price_table(),
    )


async def resume(
    going_on: ResumeRequest, request: RunRequest, observer: RunObserver, world: World
) -> RunResult:
    """Go on with every conversation of a run at its next unsent turn, paying for nothing twice.

    What shapes a run comes from where it was saved, whatever `request` says.
    """
    folder = RunFolder.open(going_on.resume or latest(), disk=world.disk, redactor=world.redactor)
    ignored = shaping_flags(request)
    if ignored:
        observer.notify(
            f"warning: {', '.join(ignored)}: ignored, a resumed run keeps what it was started with"
        )
    with closing(folder.open_journal()) as journal:
        saved = folder.read_run()
        prepared = _prepare_again(request, going_on, folder, saved, warn=observer.warn)
        async with AsyncExitStack() as stack:
            messages = await connect(prepared.request, prepared.plan.conversations, stack)
            changed = _changed(prepared.scenarios, saved)
            if changed:
                journal.append_run("changed", superseded=_superseded(prepared.plan, changed))
                await journal.synced()
                # Only now: whoever is killed before is asked for --resume-changed again.
                files, rates = {**saved.files, **prepared.plan.files}, prepared.plan.pass_rates
                folder.write_json("run.json", replace(saved, files=files, pass_rates=rates).to_json())
            history = read_history(folder.journal)
            inputs = _left_to_play(prepared, history, retry_errors=going_on.retry_errors)
            io = RunIO(folder=folder, journal=journal, messages=messages, observer=observer, world=world)
            return await play_run(inputs, io)


def _prepare_again(
    request: RunRequest,
    going_on: ResumeRequest,
    folder: RunFolder,
    saved: Run,
    *,
    warn: Callable[[str], None],
) -> Prepared:
    """Prepare what the run was started with; InputError where its scenarios changed and nobody said so."""
    try:
        request = replace(restored(request, saved.options), paths=saved.paths, last_failed=False)
    except (KeyError, TypeError) as error:
        raise StorageError(f"{folder.run_json}: the saved options are incomplete ({error})") from error
    loaded = load_scenarios(request)
    for warning in loaded.warnings:
        warn(warning)
    changed = _changed(loaded.scenarios, saved)
    if changed and not going_on.resume_changed:
        raise InputError(
            f"{', '.join(sorted(changed))}: changed since the run was started; put the old text back, start a"
            " new run with --reuse, or pass --resume-changed to play what changed anew in this one"
        )
    prepared = plan_loaded(request, loaded)
    if request.until_sure:
        return prepared  # a later look may still add to what was planned
    ids = frozenset(item.id for item in saved.conversations)
    return replace(prepared, plan=make_plan(request, prepared.scenarios, ids=ids))


def _left_to_play(prepared: Prepared, history: History, *, retry_errors: bool) -> RunInputs:
    """Leave out what has ended, go on with what has begun, and take every reply that the journal has."""
    request, conversations = prepared.request, prepared.plan.conversations
    done = frozenset(
        each.id for each in conversations if _has_ended(history, each, retry_errors=retry_errors)
    )
    path = request.replay or request.reuse
    return RunInputs(
        prepared=prepared,
        earlier={name: log for name, log in history.logs.items() if name not in done},
        done=done,
        recording=Recording([history] if path is None else [history, Recording.history_of(path)]),
        spent_usd=history.spent_usd(),
    )


def _has_ended(history: History, conversation: Conversation, *, retry_errors: bool) -> bool:
    log = history.logs.get(conversation.id)
    if log is None or log.ended is None:
        return False
    return not (retry_errors and log.ended.outcome is Outcome.ERRORED)


def _changed(scenarios: Sequence[Scenario], saved: Run) -> frozenset[str]:
    """Return the paths of the run's scenarios that are not what they were."""
    return frozenset(
        scenario.path
        for scenario in scenarios
        if saved.files.get(scenario.path, scenario.sha256) != scenario.sha256
    )


def _superseded(plan: Plan, changed: frozenset[str]) -> list[Json]:
    """Return the conversations whose events count no longer, but as a recording."""
    return [each.id for each in plan.conversations if each.identity.path in changed]
