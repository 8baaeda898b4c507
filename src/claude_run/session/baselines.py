"""Accepting what a run brought: wholly, or change by change after somebody has looked at it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import InputError, StorageError
from claude_run.record.baseline import Baseline, read_baseline, write_baseline
from claude_run.scenario.beside import baseline_path
from claude_run.session.compare import arm_of_played
from claude_run.session.results import read_run
from claude_run.text.strict_json import read_json
from claude_run.text.visible import count
from claude_run.verdict.comparison import typical

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from claude_run.conversation.sample import Sample
    from claude_run.record.folder import RunFolder
    from claude_run.session.play import RunResult
    from claude_run.session.world import World

_REJECTED = "review.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One conversation whose replies are no longer those of the baseline, or that is new in it."""

    path: str
    id: str
    name: str
    before: tuple[Sample, ...]
    after: tuple[Sample, ...]

    @property
    def score_before(self) -> str:
        """How many of the accepted samples passed: `2/3`, or `new`."""
        return _score(self.before)

    @property
    def score_after(self) -> str:
        """How many of the samples of the run passed."""
        return _score(self.after)

    def texts(self) -> Iterator[tuple[int, str, str]]:
        """Yield number (of the replies, from 1), accepted reply and new reply where they differ."""
        old, new = typical(self.before, passed=True), typical(self.after, passed=True)
        before, after = old.replies if old else (), new.replies if new else ()
        for index in range(max(len(before), len(after))):
            left = before[index] if index < len(before) else ""
            right = after[index] if index < len(after) else ""
            if left != right:
                yield index + 1, left, right


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The changes of a run that are open, and the names of what is in its baselines but not in the run."""

    result: RunResult
    changes: tuple[Change, ...]
    stale: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptable:
    """A run that may become the baseline, and the names of its conversations that failed."""

    result: RunResult
    failed: tuple[str, ...]


def acceptable(path: Path | None, world: World) -> Acceptable:
    """Read a run that is to be accepted.

    InputError where `CI` is set, and where a conversation could not be measured.
    """
    refuse_in_ci()
    result = read_run(path, world)
    folder, played = result.folder, result.played
    transcripts = [record.transcript for record in played.records]
    lost = sum(transcript is None or transcript.error is not None for transcript in transcripts)
    if lost:
        missing = count(lost, "conversation")
        raise InputError(
            f"{folder.path} is not a baseline: {missing} could not be measured;"
            " `claude-run resume --retry-errors` tries again"
        )
    failed = (record.planned.id for record in played.records if record.outcome is Outcome.FAILED)
    return Acceptable(result=result, failed=tuple(failed))


def accept(found: Acceptable, world: World) -> Iterator[str]:
    """Write the baseline of every scenario of a run beside it, and yield what was done, a line each."""
    folder, played = found.result.folder, found.result.played
    options = folder.read_run().options
    is_selection = any(options.get(name) for name in ("expression", "shard", "last_failed"))
    for file, rows in _by_file(arm_of_played(played, name="").samples).items():
        target = baseline_path(file)
        kept: tuple[Sample, ...] = ()
        if is_selection and target.exists():
            # A run that left conversations of its scenarios out leaves them in the baseline too.
            names = {row.identity.name_in_scenario for row in rows}
            known = read_baseline(target, scenario_path=file).samples
            kept = tuple(each for each in known if each.identity.name_in_scenario not in names)
            cases = {each.identity.name_in_scenario for each in kept}
            yield f"kept {count(len(cases), 'case')} of {target} that were not played"
        baseline = Baseline(
            scenario=rows[0].identity.scenario,
            path=file,
            accepted_at=world.clock.now(),
            simulated=played.summary.simulated,
            samples=(*kept, *rows),
        )
        write_baseline(world.disk, target, baseline)
        passed = sum(sample.passed is True for sample in rows)
        yield f"wrote {target}: {passed} of {count(len(rows), 'sample')} passed"
    if played.summary.simulated:
        yield "warning: these replies were simulated; accept a real run before you gate on it"


def review(path: Path | None, world: World) -> Review:
    """Compare a run with the baselines beside its scenarios; what was rejected before is no longer open."""
    result = read_run(path, world)
    samples = arm_of_played(result.played, name="").samples
    rejected = _read_rejected(result.folder)
    return Review(
        result=result,
        changes=tuple(change for change in _changes(samples) if change.id not in rejected),
        stale=tuple(_stale(samples)),
    )


def accept_change(change: Change, result: RunResult, world: World) -> None:
    """Put the samples of one change in the place of those in the baseline."""
    target = baseline_path(change.path)
    known: tuple[Sample, ...] = ()
    simulated = result.played.summary.simulated
    if target.exists():
        baseline = read_baseline(target, scenario_path=change.path)
        known, simulated = baseline.samples, baseline.simulated or simulated
    kept = tuple(sample for sample in known if sample.identity.name_in_scenario != change.name)
    shown = tuple(
        replace(sample, identity=replace(sample.identity, path=change.path)) for sample in change.after
    )
    write_baseline(
        world.disk,
        target,
        Baseline(
            scenario=change.after[0].identity.scenario,
            path=change.path,
            accepted_at=world.clock.now(),
            simulated=simulated,
            samples=(*kept, *shown),
        ),
    )


def reject_change(change: Change, result: RunResult) -> None:
    """Remember that a change was looked at and is not wanted."""
    rejected = sorted({*_read_rejected(result.folder), change.id})
    result.folder.write_json(_REJECTED, rejected)


def refuse_in_ci() -> None:
    """Raise InputError where `CI` is set: there nobody looks at what is accepted."""
    if os.environ.get("CI"):
        raise InputError(
            "baselines are not written when CI is set: accept on your machine and commit the file"
        )


def _by_file(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    files: dict[str, list[Sample]] = {}
    for sample in samples:
        files.setdefault(sample.identity.path, []).append(sample)
    return files


def _changes(samples: Sequence[Sample]) -> Iterator[Change]:
    for path, rows in _by_file(samples).items():
        accepted = _accepted(path)
        # What could not be measured says nothing to accept.
        measured = [row for row in rows if row.passed is not None]
        for name in dict.fromkeys(row.identity.name_in_scenario for row in measured):
            after = tuple(row for row in measured if row.identity.name_in_scenario == name)
            before = tuple(row for row in accepted if row.identity.name_in_scenario == name)
            change = Change(path=path, id=after[0].identity.case_name, name=name, before=before, after=after)
            if not before or any(change.texts()) or change.score_before != change.score_after:
                yield change


def _stale(samples: Sequence[Sample]) -> Iterator[str]:
    for path, rows in _by_file(samples).items():
        played = {row.identity.name_in_scenario for row in rows}
        known = (row.identity for row in _accepted(path))
        yield from sorted({each.case_name for each in known if each.name_in_scenario not in played})


def _accepted(path: str) -> tuple[Sample, ...]:
    target = baseline_path(path)
    return read_baseline(target, scenario_path=path).samples if target.exists() else ()


def _read_rejected(folder: RunFolder) -> frozenset[str]:
    path = folder.path / _REJECTED
    try:
        return frozenset(map(str, read_json(path.read_bytes()))) if path.exists() else frozenset()
    except (ValueError, TypeError) as error:
        raise StorageError(
            f"{path} is damaged: {error}; remove it, and reject those changes again"
        ) from error


def _score(samples: Sequence[Sample]) -> str:
    measured = [sample for sample in samples if sample.passed is not None]
    return f"{sum(sample.passed is True for sample in measured)}/{len(measured)}" if measured else "new"
