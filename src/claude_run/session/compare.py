"""Comparisons of two runs, or of the models or variants of one, and what was accepted to compare with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.conversation.sample import Sample
from claude_run.errors import ExitCode, InputError
from claude_run.record.baseline import read_baseline
from claude_run.record.derive import read_played, read_samples
from claude_run.record.folder import RunFolder
from claude_run.scenario.beside import baseline_path, scenario_beside
from claude_run.session.request import BESIDE
from claude_run.text.visible import count
from claude_run.verdict.basics import Verdict
from claude_run.verdict.comparison import Arm, Comparison, aligned, arms_within, compare, typical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from claude_run.conversation.identity import Identity
    from claude_run.record.derive import Played
    from claude_run.session.request import CompareRequest

_SHOWN = 3  # conversations that a refusal names


def compare_runs(paths: Sequence[Path], request: CompareRequest) -> Comparison:
    """Compare the first run with the others, or the models or variants of a single one with each other.

    In the place of the first run may stand a baseline file.
    """
    rules = request.rules()
    first, *others = paths
    _refuse_files(first, others)
    candidates = [arm_of_run(path) for path in others]
    arms = [_arm_of_file(first, candidates) if first.is_file() else arm_of_run(first), *candidates]
    if len(arms) > 1:
        called_alike = [
            replace(arm, samples=aligned(arm.samples, (sample.identity for sample in arms[0].samples)))
            for arm in candidates
        ]
        return compare(arms[0], called_alike, rules)
    inside = arms_within(arms[0].samples)
    if len(inside) == 1:
        raise InputError(
            f"{arms[0].name} was played on one model and one variant: name a second run to compare it with"
        )
    return compare(inside[0], inside[1:], rules)


def exit_code_of(comparison: Comparison, request: CompareRequest) -> ExitCode:
    """Return FAILED when a candidate regressed, or when nobody can tell and that is not good enough."""
    verdicts = {candidate.result.verdict for candidate in comparison.candidates}
    strict = request.on_inconclusive == "fail"
    if Verdict.REGRESSED in verdicts or (strict and Verdict.INCONCLUSIVE in verdicts):
        return ExitCode.FAILED
    return ExitCode.PASSED


def arm_of_run(path: Path) -> Arm:
    """Return the samples of a run folder; InputError where it holds none."""
    folder = RunFolder.open(path)
    return Arm(name=str(folder.path), samples=read_samples(folder))


def refuse_unmeasured(folder: RunFolder, played: Played) -> None:
    """Raise InputError for a run that was not measured whole: nothing may be held against it.

    A conversation that could not be measured, a judge without an answer, one that was never played, and an
    end that is not known all leave a hole which later runs would fall through.
    """
    # What fresh attempts have left open the gate has told, and nothing is compared with them.
    planned = (record for record in played.records if record.planned.confirm is None)
    outcomes = {record.planned.id: record.outcome for record in planned}
    for outcome, what in ((Outcome.ERRORED, "could not be measured"), (Outcome.SKIPPED, "not played")):
        names = [name for name, found in outcomes.items() if found is outcome]
        if names:
            some = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            reason = f"{count(len(names), 'conversation')} {what}: {some}"
            break
    else:
        if played.summary.exit_code in {ExitCode.PASSED, ExitCode.FAILED}:
            return
        reason = played.summary.exit_reason
    raise InputError(
        f"{folder.path} is not a baseline: {reason}; `claude-run resume {folder.path} --retry-errors` goes on"
        " with it"
    )


def arm_of_played(played: Played, *, name: str) -> Arm:
    """Return the samples of a run that was read already.

    Fresh attempts are left out: they were made of what failed, so they would make it look worse than it is.
    """
    transcripts = (record.transcript for record in played.records if record.planned.confirm is None)
    return Arm(name=name, samples=tuple(Sample.of(each) for each in transcripts if each is not None))


def arm_of_baseline(path: Path, identities: Sequence[Identity]) -> Arm:
    """Return the accepted samples of the scenarios of these conversations, numbered as they are.

    `path` is `BESIDE`, a run folder, or one baseline file. InputError where a scenario has no baseline, and
    for a run that could not be accepted as one.
    """
    scenarios = _scenarios_of(identities)
    if path != BESIDE and (path / "run.json").exists():
        folder = RunFolder.open(path)
        played = read_played(folder)
        refuse_unmeasured(folder, played)
        arm = arm_of_played(played, name=str(folder.path))
    elif path != BESIDE:
        arm = _arm_of_files(dict.fromkeys(scenarios, path), scenarios)
    else:
        arm = _arm_of_files({name: baseline_path(file) for name, file in scenarios.items()}, scenarios)
    return _aligned(arm, identities)


def arm_of_accepted(identities: Sequence[Identity]) -> Arm:
    """Return the accepted samples of those scenarios that have a baseline beside them."""
    scenarios = _scenarios_of(identities)
    files = {name: baseline_path(file) for name, file in scenarios.items()}
    arm = _arm_of_files({name: file for name, file in files.items() if file.is_file()}, scenarios)
    return _aligned(arm, identities)


def accepted_replies(arm: Arm) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return the accepted replies by what was asked (`Identity.question_name`), then by model label."""
    rows: dict[str, dict[str, list[Sample]]] = {}
    for sample in arm.samples:
        asked = rows.setdefault(sample.identity.question_name, {})
        asked.setdefault(sample.identity.model_label, []).append(sample)
    return {
        name: {
            label: tuple(shown.replies)
            for label, each in asked.items()
            if (shown := typical(each, passed=True))
        }
        for name, asked in rows.items()
    }


def _refuse_files(first: Path, others: Iterable[Path]) -> None:
    """Raise InputError for a file among those that are held against the first."""
    file = next((path for path in others if path.is_file()), None)
    if file is not None:
        hint = "take its place with a run folder" if first.is_file() else f"name it first: {file} {first}"
        raise InputError(
            f"{file} is a file, and only what others are held against may be a baseline file: {hint}"
        )


def _arm_of_file(path: Path, candidates: Iterable[Arm]) -> Arm:
    """Return what a baseline file holds; InputError where a candidate did not play its scenario."""
    baseline = read_baseline(path, scenario_path=scenario_beside(path))
    for arm in candidates:
        if all(sample.identity.scenario != baseline.scenario for sample in arm.samples):
            raise InputError(
                f"{path} is the baseline of scenario {baseline.scenario!r}, which was not played in"
                f" {arm.name}: name a run of that scenario"
            )
    return Arm(name=str(path), samples=baseline.samples)


def _scenarios_of(identities: Iterable[Identity]) -> Mapping[str, str]:
    return {identity.scenario: identity.path for identity in identities}


def _aligned(arm: Arm, identities: Iterable[Identity]) -> Arm:
    return replace(arm, samples=aligned(arm.samples, identities))


def _arm_of_files(files: Mapping[str, Path], scenarios: Mapping[str, str]) -> Arm:
    samples = [
        sample
        for name, file in files.items()
        for sample in read_baseline(file, scenario_path=scenarios[name]).samples
        if sample.identity.scenario == name
    ]
    known = {sample.identity.scenario for sample in samples}
    unknown = next((name for name in files if name not in known), None)
    if unknown is not None:
        raise InputError(
            f"{files[unknown]} is not the baseline of scenario {unknown!r}, which may have been renamed:"
            " `claude-run accept` writes it anew"
        )
    distinct = dict.fromkeys(map(str, files.values()))
    name = next(iter(distinct)) if len(distinct) == 1 else f"{len(distinct)} accepted files"
    return Arm(name=name, samples=tuple(samples))
