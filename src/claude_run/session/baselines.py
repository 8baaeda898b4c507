"""Accepting what a run brought: wholly, or change by change after somebody has looked at it."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.conversation.identity import aligned_to
from claude_run.conversation.results import Outcome
from claude_run.conversation.sample import edited
from claude_run.errors import InputError, StorageError
from claude_run.process import is_in_ci
from claude_run.record.baseline import Baseline, accepted_cases, read_baseline, write_baseline
from claude_run.record.disk import locked_folder, read_file
from claude_run.record.project import project_root
from claude_run.scenario.beside import baseline_path, rivals
from claude_run.scenario.loader import scenario_name
from claude_run.session.compare import arm_of_played, refuse_unmeasured
from claude_run.session.request import selects
from claude_run.session.results import read_run
from claude_run.text.strict_json import read_json
from claude_run.text.visible import count
from claude_run.verdict.regression import LEAST_COVERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from claude_run.conversation.sample import Sample
    from claude_run.record.baseline import AcceptedCase
    from claude_run.record.folder import RunFolder
    from claude_run.session.play import RunResult
    from claude_run.session.world import World

_REJECTED = "review.json"
_SHOWN = 3  # cases that a message names
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One case as it is accepted, None where it is new, and as the run would have it accepted.

    `asked` is what was said before each reply of the latter.
    """

    path: str
    before: AcceptedCase | None
    after: AcceptedCase
    asked: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """What a run calls it: `scenario/case/variant/model`."""
        return self.after.identity.case_name

    @property
    def score_before(self) -> str:
        """How many of the accepted attempts passed: `2/3`, or `new`."""
        return "new" if self.before is None else _score(self.before)

    @property
    def score_after(self) -> str:
        """How many of the attempts of the run passed."""
        return _score(self.after)

    @property
    def edited(self) -> tuple[str, ...]:
        """What of `expectations` and `variables` is no longer what was accepted, as far as that is known."""
        return () if self.before is None else edited(self.before, self.after)

    @property
    def is_open(self) -> bool:
        """Whether there is anything to decide."""
        return bool(
            self.before is None or any(self.texts()) or self.before.rate != self.after.rate or self.edited
        )

    def asked_at(self, number: int) -> str:
        """Return what was said before a reply, by its number from 1; empty where there is none in the run."""
        return self.asked[number - 1] if number <= len(self.asked) else ""

    def texts(self) -> Iterator[tuple[int, str, str]]:
        """Yield number (of the replies, from 1), accepted reply and new reply where they differ."""
        before, after = self.before.replies if self.before else (), self.after.replies
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
    """Read a run that is to be accepted; InputError where `CI` is set, and for what `_read` refuses."""
    refuse_in_ci()
    result = _read(path, world)
    records = result.played.records
    planned = (record for record in records if record.planned.confirm is None)
    failed = (record.planned.id for record in planned if record.outcome is Outcome.FAILED)
    return Acceptable(result=result, failed=tuple(failed))


def accept(found: Acceptable, world: World, *, reason: str | None = None) -> Iterator[str]:
    """Write the baseline of every scenario of a run beside it, and yield what was done, a line each.

    What was rejected of the run before is accepted with it. The reason stands in the file until a whole run
    is accepted, or another reason is given.
    """
    result, few = found.result, 0
    run = result.folder.read_run()
    is_whole = not selects(run.options, run.paths, run.files)
    for file, rows in _by_file(arm_of_played(result.played, name="").samples).items():
        target = baseline_path(file)
        with _both_locked(target.parent, result.folder, world):
            # A run that left conversations of its scenarios out leaves them in the baseline too.
            before = _accepted_before(file, rows, whole=is_whole)
            known = before.cases if before else ()
            cases = accepted_cases(rows, known)
            left = _names(known) - _names(cases)
            _reject_no_more(result.folder, {row.identity.case_name for row in rows})
            # The reason of what is accepted once more is still its reason.
            why = before.reason if before and reason is None and _are_same(cases, known) else reason
            written = _write(cases, None if is_whole else before, result=result, reason=why, world=world)
            few += sum(case.measured < LEAST_COVERED for case in written.cases)
        if left and is_whole:
            some = ", ".join(sorted(left)[:_SHOWN]) + (", ..." if len(left) > _SHOWN else "")
            yield f"dropped {count(len(left), 'case')} of {target} that the scenario no longer has: {some}"
        elif left:
            yield f"kept {count(len(left), 'case')} of {target} that were not played"
        passed = sum(sample.passed is True for sample in rows)
        yield f"wrote {target}: {passed} of {count(len(rows), 'sample')} passed"
    if few:
        yield (
            f"note: {count(few, 'case')} {'has' if few == 1 else 'have'} fewer than {LEAST_COVERED} attempts,"
            " too few to promise anything: accept a run of -n 10 once, then -n 2 in pull requests is enough"
        )
    yield from simulation_warning(result)


def review(path: Path | None, world: World) -> Review:
    """Compare a run with the baselines beside its scenarios; what was rejected before is no longer open.

    It takes the runs that `accept` takes, and no others. Nothing is written, so it may be called in CI.
    """
    result = _read(path, world)
    samples = arm_of_played(result.played, name="").samples
    rejected = _read_rejected(result.folder)
    return Review(
        result=result,
        changes=tuple(change for change in _changes(samples) if change.id not in rejected),
        stale=tuple(_stale(samples)),
    )


def accept_change(change: Change, result: RunResult, world: World) -> bool:
    """Put one changed case in the place of that in the baseline; it is rejected no more.

    Returns whether it was done: not where the baseline no longer holds what the change was shown against,
    because somebody else has changed it meanwhile.
    """
    with _both_locked(baseline_path(change.path).parent, result.folder, world):
        before = _baseline(change.path, arm_of_played(result.played, name="").samples)
        if not _is_as_shown(change, before):
            return False
        _reject_no_more(result.folder, {change.id})
        _write((_remeasured(change),), before, result=result, reason=None, world=world)
    return True


def _remeasured(change: Change) -> AcceptedCase:
    """Return the case that is accepted: where the same share of fewer attempts passed, as it was measured.

    What many attempts have shown is not given up for other words in a few.
    """
    before, after = change.before, change.after
    if before is None or change.edited or before.rate != after.rate or before.measured <= after.measured:
        return after
    return replace(
        before,
        replies=after.replies,
        answered_by=tuple(sorted({*before.answered_by, *after.answered_by})),
    )


def reject_change(change: Change, result: RunResult, world: World) -> bool:
    """Remember that a change was looked at and is not wanted; returns whether it was, as accepting does."""
    with _both_locked(baseline_path(change.path).parent, result.folder, world):
        before = _baseline(change.path, arm_of_played(result.played, name="").samples)
        if not _is_as_shown(change, before):
            return False
        result.folder.write_json(_REJECTED, sorted({*_read_rejected(result.folder), change.id}))
    return True


def simulation_warning(result: RunResult) -> Iterator[str]:
    """Yield what whoever accepts made-up replies should know."""
    if result.played.summary.simulated:
        yield "warning: these replies were simulated; accept a real run before you gate on it"


def refuse_in_ci() -> None:
    """Raise InputError where `CI` is set: there nobody looks at what is accepted."""
    if is_in_ci():
        raise InputError(
            "baselines are not written when CI is set: accept on your machine and commit the file"
        )


def refuse_reason(reason: str | None, world: World) -> None:
    """Raise InputError for a reason that is no line of text, holds the credential in use, or is too long."""
    if reason is None:
        return
    if not reason.strip() or reason.splitlines() != [reason]:
        raise InputError("--reason: write one line that says why this is accepted")
    if world.redactor.finds(reason):
        raise InputError("--reason: the credential in use stands in it, and is written nowhere")
    if len(reason) > _LONGEST_REASON:
        raise InputError(
            f"--reason: {len(reason):,} characters are too many: write at most {_LONGEST_REASON},"
            " the rest belongs into the message of the commit"
        )


def _read(path: Path | None, world: World) -> RunResult:
    """Read a run that may become the baseline, wholly or change by change.

    InputError for a run that was not measured whole, and for one whose scenarios are not ours.
    """
    result = read_run(path, world)
    refuse_unmeasured(result.folder, result.played)
    found = (sample.identity for sample in arm_of_played(result.played, name="").samples)
    for file, name in dict.fromkeys((identity.path, identity.scenario) for identity in found):
        _refuse_elsewhere(file, name, result.folder)
    return result


def _refuse_elsewhere(file: str, name: str, folder: RunFolder) -> None:
    """Raise InputError unless a scenario of this name stands in this file, in the project, by itself.

    A run folder may come from anywhere: what it says is no reason to write, or to read, a file. The project
    is the one that we are in, or that the run folder lies in.
    """
    roots = [project_root(Path.cwd()), project_root(folder.path.parent)]
    if not _lies_in(file, roots):
        raise InputError(
            f"{file}, which {folder.path} was played from, lies outside of {roots[0]}: a baseline is written"
            " only beside a scenario of the project that you are in"
        )
    if scenario_name(file) != name:
        raise InputError(
            f"{file} holds no scenario {name!r}: a baseline is written only beside the scenario that was"
            f" played; go to the folder that {folder.path} was started in, or play the scenario again"
        )
    rival = next((other for other in rivals(file) if scenario_name(other) is not None), None)
    if rival is not None:
        raise InputError(
            f"{baseline_path(file)} would be the baseline of {rival} too: give one of the two another name"
        )


def _lies_in(file: str, folders: Sequence[Path]) -> bool:
    try:
        can_be = b"\0" not in os.fsencode(file)
    except UnicodeEncodeError:
        can_be = False
    # What no file can be called lies nowhere.
    return can_be and any(Path(file).parent.resolve().is_relative_to(folder) for folder in folders)


@contextmanager
def _both_locked(baselines: Path, run: RunFolder, world: World) -> Iterator[None]:
    """Hold what a decision on a change is written to: the folder of the baseline, and that of the run."""
    with locked_folder(world.disk, baselines), ExitStack() as held:
        if baselines.resolve() != run.path.resolve():
            held.enter_context(locked_folder(world.disk, run.path))
        yield


def _is_as_shown(change: Change, now: Baseline | None) -> bool:
    accepted = {case.name: case for case in now.cases} if now else {}
    return change.before == accepted.get(change.after.name)


def _accepted_before(file: str, rows: Iterable[Sample], *, whole: bool) -> Baseline | None:
    try:
        return _baseline(file, rows)
    except InputError:
        if not whole:
            raise
        return None  # a whole run is accepted in its place, which is the way to mend it


def _names(cases: Iterable[AcceptedCase]) -> frozenset[str]:
    return frozenset(case.name for case in cases)


def _are_same(cases: Sequence[AcceptedCase], others: Sequence[AcceptedCase]) -> bool:
    return {case.name: case for case in cases} == {case.name: case for case in others}


def _write(
    cases: Sequence[AcceptedCase],
    before: Baseline | None,
    *,
    result: RunResult,
    reason: str | None,
    world: World,
) -> Baseline:
    """Write cases of a scenario in the place of those of the same names; what else was there stays."""
    names, known = _names(cases), before.cases if before else ()
    kept = tuple(case for case in known if case.name not in names)
    identity = cases[0].identity
    baseline = Baseline(
        scenario=identity.scenario,
        path=identity.path,
        simulated=result.played.summary.simulated or bool(kept and before and before.simulated),
        reason=reason or (before.reason if before else None),
        cases=(*kept, *cases),
    )
    write_baseline(world.disk, baseline_path(identity.path), baseline)
    return baseline


def _baseline(file: str, rows: Iterable[Sample]) -> Baseline | None:
    """Read the baseline of a scenario, its numbered cases called as those of the run are; None for none."""
    target = baseline_path(file)
    if not target.exists():
        return None
    baseline = read_baseline(target, scenario_path=file)
    called = aligned_to((case.identity for case in baseline.cases), (row.identity for row in rows))
    return replace(
        baseline, cases=tuple(replace(case, identity=called(case.identity)) for case in baseline.cases)
    )


def _by_file(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    files: dict[str, list[Sample]] = {}
    for sample in samples:
        files.setdefault(sample.identity.path, []).append(sample)
    return files


def _changes(samples: Sequence[Sample]) -> Iterator[Change]:
    for path, rows in _by_file(samples).items():
        accepted = {case.name: case for case in _accepted(path, rows)}
        for case in accepted_cases(rows, accepted.values()):
            asked = _asked(case, rows)
            change = Change(path=path, before=accepted.get(case.name), after=case, asked=asked)
            if change.is_open:
                yield change


def _asked(case: AcceptedCase, rows: Iterable[Sample]) -> tuple[str, ...]:
    """Return what was asked in the attempt that has the replies of the case; later turns may quote them."""
    attempts = [row for row in rows if row.identity.name_in_scenario == case.name]
    same = (row.asked for row in attempts if row.replies == case.replies)
    return tuple(next(same, attempts[0].asked))


def _stale(samples: Sequence[Sample]) -> Iterator[str]:
    for path, rows in _by_file(samples).items():
        played = {row.identity.name_in_scenario for row in rows}
        stale = (case for case in _accepted(path, rows) if case.name not in played)
        yield from sorted(case.identity.case_name for case in stale)


def _accepted(path: str, rows: Iterable[Sample]) -> tuple[AcceptedCase, ...]:
    baseline = _baseline(path, rows)
    return baseline.cases if baseline else ()


def _reject_no_more(folder: RunFolder, ids: AbstractSet[str]) -> None:
    rejected = _read_rejected(folder)
    if rejected & ids:
        folder.write_json(_REJECTED, sorted(rejected - ids))


def _read_rejected(folder: RunFolder) -> frozenset[str]:
    path = folder.path / _REJECTED
    try:
        return frozenset(map(str, read_json(read_file(path)))) if path.exists() else frozenset()
    except (ValueError, TypeError) as error:
        raise StorageError(
            f"{path} is damaged: {error}; remove it, and reject those changes again"
        ) from error


def _score(case: AcceptedCase) -> str:
    return f"{case.passed}/{case.measured}"
