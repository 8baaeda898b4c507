"""The use cases of `run`: play what was prepared, or go on where a run stopped."""

from __future__ import annotations

import os
import shlex
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import InputError, StorageError
from claude_run.plan.matrix import Plan
from claude_run.record.folder import RunFolder, latest
from claude_run.record.recording import Recording
from claude_run.record.run import Change
from claude_run.record.runs import note_played
from claude_run.scenario.at_line import split_line
from claude_run.session.env_file import enter_environment
from claude_run.session.gate import digest_of
from claude_run.session.grade import prepare_grading, read_labels, with_labels
from claude_run.session.known_checks import changed, digests, refuse_unknown
from claude_run.session.load import load_scenarios
from claude_run.session.open_files import exhaustion_said_once
from claude_run.session.options import restored, saved_options
from claude_run.session.play import RunInputs, RunIO, RunResult, connect_run, play_new, play_run
from claude_run.session.prepare import make_plan, plan_loaded, recorded
from claude_run.session.request import RunRequest, refuse_contradictions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from claude_run.record.history import History
    from claude_run.record.run import Run
    from claude_run.session.play import RunObserver
    from claude_run.session.prepare import Prepared
    from claude_run.session.request import ResumeRequest
    from claude_run.session.world import World


async def run(prepared: Prepared, observer: RunObserver, world: World) -> RunResult:
    """Play what was prepared in a new run folder."""
    request, scenarios = prepared.request, list((prepared.plan.whole or prepared.plan).pass_rates)
    histories = recorded(request, observer.warn)
    inputs = RunInputs(prepared=prepared, recording=Recording(histories) if histories else None)
    if not prepared.plan.conversations:
        observer.notify(f"shard {request.shard} is empty: there are fewer cases than shards")
    return await play_new(inputs, observer, world, name=run_name(scenarios), out=request.out)


def run_name(scenarios: Sequence[str]) -> str:
    """Return what a run of these scenarios is called."""
    return scenarios[0] if len(scenarios) == 1 else f"{len(scenarios)}-scenarios"


async def resume(
    path: Path | None,
    going_on: ResumeRequest,
    given: Mapping[str, Any],
    *,
    observer: RunObserver,
    world: World,
) -> RunResult:
    """Go on with every conversation of a run at its next unsent turn, paying for nothing twice.

    Without a path it is the latest run. Its options are those that it was started with, but for those `given`
    anew by name.
    """
    folder = RunFolder.open(path or latest(), disk=world.disk, redactor=world.redactor)
    journal, history = folder.open_journal()
    with closing(journal):
        observer.notify(f"going on with {folder.path}")
        if journal.torn:
            observer.warn(
                f"warning: {folder.journal} ended in a torn line of {journal.torn} bytes, which is kept aside"
                " in journal.torn; the request that it told of may be sent again"
            )
        saved = folder.read_run()
        prepared, drift = _prepare_again(folder, saved, going_on, given, warn=observer.warn, world=world)
        async with AsyncExitStack() as stack:
            stack.enter_context(exhaustion_said_once(observer.notify))
            connected = await connect_run(prepared, stack, observer, world)
            now = _as_it_is_now(saved, prepared, drift, lines=journal.lines) if drift else saved
            # Whoever reads the run later must allow what was allowed here.
            allowed = saved_options(prepared.request)["allowed_models"]
            now = replace(now, options={**now.options, "allowed_models": allowed})
            if now != saved:
                folder.write_json("run.json", now.to_json())
            if drift:
                history = folder.read_history()
            recording = Recording([history, *recorded(prepared.request, observer.warn)])
            before = saved.spent_before
            inputs = replace(
                _left_to_play(prepared, history, retry_errors=going_on.retry_errors),
                recording=recording,
                spent_usd=before.usd + history.spent_usd(),
                attempts=before.attempts + history.attempts(),
            )
            if saved.labels is not None:
                labels = read_labels(saved.labels, prepared.request.judge_models)
                inputs = with_labels(inputs, labels, now=world.clock.now())
            elif any(each.id not in inputs.done for each in prepared.plan.conversations):
                note_played(world.disk, folder.path)
            io = RunIO(folder=folder, journal=journal, connected=connected, observer=observer, world=world)
            return await play_run(inputs, io)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The paths of scenarios and of own checks that are not as they were when the run was started.

    `baseline` is the name of what it is held against, where that is another one now.
    """

    changed: frozenset[str] = frozenset()
    new: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    own_checks: frozenset[str] = frozenset()
    baseline: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.changed or self.new or self.gone or self.own_checks or self.baseline)

    def __str__(self) -> str:
        named = (
            ("changed", self.changed),
            ("new", self.new),
            ("gone", self.gone),
            ("own checks", self.own_checks),
            ("baseline", self.baseline),
        )
        return "; ".join(f"{what}: {', '.join(sorted(paths))}" for what, paths in named if paths)


def _prepare_again(  # noqa: PLR0913 - keywords, but for what was asked for then and now
    folder: RunFolder,
    saved: Run,
    going_on: ResumeRequest,
    given: Mapping[str, Any],
    *,
    warn: Callable[[str], None],
    world: World,
) -> tuple[Prepared, Drift]:
    """Prepare what the run was started with; InputError where its scenarios drifted and nobody said so."""
    request = request_of(folder, saved, given)
    enter_environment(request.env_file, world.redactor)
    if saved.labels is not None:
        return _prepare_grading_again(folder, saved, request), Drift()
    if "own_checks" not in given:
        refuse_unknown(request.own_checks, saved.own_checks, folder)
    was_selection = request.last_failed
    # A file that the command named and that is gone is told below, with all that has changed besides.
    there = tuple(path for path in saved.paths if _is_there(path, saved))
    if not there:
        raise InputError(f"{_not_here(folder, saved)}, or put them back, or start a new run")
    request = replace(request, paths=there, last_failed=False)
    loaded = load_scenarios(request, today=world.today)
    for warning in loaded.warnings:
        warn(warning)
    prepared = plan_loaded(request, loaded)

    # What was planned, against what the same command would plan now; of a shard, where what it plays is now.
    now, is_shard = (prepared.plan.whole or prepared.plan).files, saved.shard is not None
    if is_shard:
        now = {path: digest for path, digest in now.items() if path in saved.files}
    drift = Drift(
        changed=frozenset(path for path, digest in now.items() if saved.files.get(path, digest) != digest),
        # A run of what failed last left scenarios out: what it did not play is no news.
        new=frozenset() if was_selection or is_shard else frozenset(now) - frozenset(saved.files),
        gone=frozenset(saved.files) - frozenset(now),
        own_checks=changed(request.own_checks, saved.own_checks),
        baseline=_other_baseline(prepared, saved),
    )
    if drift and saved.shard is not None:
        raise InputError(
            f"{folder.path} is shard {saved.shard.name}, and the scenarios are not what they were when it was"
            f" started ({drift}): put the old ones back, or start all shards anew, this one with --reuse"
            f" {folder.path}"
        )
    if drift and not going_on.changed:
        raise InputError(
            f"the scenarios are not what they were when the run was started ({drift}): put the old ones back,"
            f" start a new run with --reuse {folder.path}, or pass --changed to play them as they are now"
        )
    # Fresh attempts are no part of what the scenarios say: what of them is wanted is found out anew.
    planned = frozenset(
        item.id
        for item in saved.conversations
        if item.path not in drift.changed | drift.gone and item.confirm is None
    )
    anew = drift.changed | drift.new
    ids = planned | {each.id for each in prepared.plan.conversations if each.identity.path in anew}
    if saved.shard is not None and not ids:
        return replace(prepared, plan=Plan(conversations=(), pass_rates={}, files={})), drift
    return replace(prepared, plan=make_plan(request, prepared.scenarios, ids=ids)), drift


def _is_there(path: str, saved: Run) -> bool:
    file, _ = (path, None) if path in saved.files else split_line(path)
    return file not in saved.files or Path(file).exists()


def _other_baseline(prepared: Prepared, saved: Run) -> frozenset[str]:
    """Return the name of the baseline where it is not the one that the run was started against."""
    baseline, was = prepared.baseline, saved.baseline_sha256
    if baseline is None or was is None or digest_of(baseline) == was:
        return frozenset()
    return frozenset({baseline.name})


def _not_here(folder: RunFolder, saved: Run) -> str:
    """Say that no scenario of a run is where its path says, seen from here, and where they may be."""
    said = f"none of the scenarios of {folder.path} is here, such as {min(saved.files)}"
    for place in folder.path.resolve().parents:
        if all((place / path).exists() for path in saved.files):
            again = shlex.join(["claude-run", "resume", os.path.relpath(folder.path.resolve(), place)])
            return f"{said}: go to {os.path.relpath(place)} and call `{again}`"
    return f"{said}: go to the folder that it was started in"


def _prepare_grading_again(folder: RunFolder, saved: Run, request: RunRequest) -> Prepared:
    prepared, _ = prepare_grading(str(saved.labels), request)
    if prepared.plan.files != saved.files:
        raise InputError(
            f"the labelled replies are not what they were when the run was started ({saved.labels}): put the"
            f" old ones back, or start a new one: claude-run judge-eval {saved.labels} --reuse {folder.path}"
        )
    return prepared


def request_of(folder: RunFolder, saved: Run, given: Mapping[str, Any]) -> RunRequest:
    """Return what the run was started with, but for what is `given` anew.

    StorageError for options that the command line would not have taken.
    """
    try:
        request = restored(RunRequest, saved.options, given)
        refuse_contradictions(request)
    except (InputError, TypeError) as error:
        raise StorageError(
            f"{folder.run_json}: the saved options cannot be read ({error}): it was changed by hand; restore"
            " it from a backup"
        ) from error
    return request


def _as_it_is_now(saved: Run, prepared: Prepared, drift: Drift, *, lines: int) -> Run:
    """Return the run with the plan of its scenarios, and with the own checks, as they are now.

    Of what was changed or is gone the first `lines` of the journal count no longer; where own checks were
    changed that is everything, for any scenario may ask for them.
    """
    stale = drift.changed | drift.gone
    known = {item.id for item in saved.conversations if item.path not in stale}
    superseded = tuple(item.id for item in saved.conversations if drift.own_checks or item.path in stale)
    fresh = (item for item in saved.conversations if item.id in known and item.confirm is not None)
    conversations = (*prepared.plan.identities, *fresh)
    return replace(
        saved,
        options={**saved.options, "own_checks": saved_options(prepared.request)["own_checks"]},
        files=prepared.plan.files,
        own_checks=digests(prepared.request.own_checks),
        baseline_sha256=None if prepared.baseline is None else digest_of(prepared.baseline),
        pass_rates=prepared.plan.pass_rates,
        conversations=conversations,
        changes=(*saved.changes, Change(lines=lines, superseded=superseded)),
    )


def _left_to_play(prepared: Prepared, history: History, *, retry_errors: bool) -> RunInputs:
    """Leave out what has ended, and go on with what has begun."""
    done = frozenset(
        name
        for name, log in history.logs.items()
        if log.ended is not None and not (retry_errors and log.ended.outcome is Outcome.ERRORED)
    )
    return RunInputs(
        prepared=prepared,
        earlier={name: log for name, log in history.logs.items() if name not in done},
        done=done,
        submitted=history.batches,
        proven=frozenset(
            exchange.reply.model
            for log in history.all_logs
            for exchange in log.replies
            if not exchange.replayed
        ),
        ask_again=retry_errors,
    )
