"""Comparisons: of two runs, of the models or variants of one, or of a run and its baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.conversation.attempt import Attempt
from claude_run.errors import ExitCode, InputError
from claude_run.record.attempts import read_attempts
from claude_run.record.baseline import baseline_path, read_baseline
from claude_run.record.folder import RunFolder
from claude_run.record.summary import CaseRate, Gate
from claude_run.session.request import BESIDE
from claude_run.text.visible import count
from claude_run.verdict.basics import Verdict
from claude_run.verdict.contest import Contest, Side, compare, sides_within, typical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from claude_run.conversation.script import Conversation
    from claude_run.record.derive import Played
    from claude_run.session.request import GateRequest


def compare_runs(paths: Sequence[Path], request: GateRequest) -> Contest:
    """Compare the first run with the others, or the models or variants of a single one with each other."""
    sides = [side_of_run(path) for path in paths]
    if len(sides) > 1:
        return compare(sides[0], sides[1:], request.rules())
    inside = sides_within(sides[0].attempts)
    if len(inside) == 1:
        raise InputError(
            f"{paths[0]} was played on one model and one variant: name a second run to compare it with"
        )
    return compare(inside[0], inside[1:], request.rules())


def gate_run(played: Played, baseline: Side, request: GateRequest, *, looks: int = 1) -> Contest:
    """Compare a run with its baseline."""
    return compare(baseline, [side_of_played(played, name="this run")], request.rules(looks=looks))


def verdict_of(contest: Contest, request: GateRequest, pass_rates: Mapping[str, float]) -> Gate | None:
    """Put the outcome of the gate into words; None where it could never fail: then the checks decide.

    Cases that the baseline does not know are new: each must reach its scenario's pass rate, as it would
    without a baseline.
    """
    # So few cases that not even all of them getting worse would prove anything.
    comparison = contest.duels[0].comparison
    effect, outlook = comparison.effect, comparison.outlook
    can_fail = effect is not None and outlook is not None and effect.units >= outlook.fewest_changes
    if request.on_inconclusive == "warn" and not can_fail:
        return None
    code = exit_code_of(contest, request)
    reason = f"{comparison.verdict} against {contest.baseline.name}"
    failed = [
        case
        for duel in contest.duels
        for case in duel.comparison.pairing.candidate_only
        if _is_missed(duel.candidate_attempts[case], pass_rates)
    ]
    if failed and code is ExitCode.PASSED:
        code = ExitCode.FAILED
        reason = f"{reason}, but {count(len(failed), 'new case')} failed: {', '.join(failed[:3])}"
    return Gate(code=code, verdict=str(comparison.verdict), reason=reason)


def exit_code_of(contest: Contest, request: GateRequest) -> ExitCode:
    """Return FAILED when a candidate regressed, or when nobody can tell and that is not good enough."""
    verdicts = {duel.comparison.verdict for duel in contest.duels}
    strict = request.on_inconclusive == "fail"
    if Verdict.REGRESSED in verdicts or (strict and Verdict.INCONCLUSIVE in verdicts):
        return ExitCode.FAILED
    return ExitCode.PASSED


def side_of_run(path: Path) -> Side:
    """Return the attempts of a run folder; InputError where it holds none."""
    return Side(name=str(path), attempts=read_attempts(RunFolder.open(path)))


def side_of_played(played: Played, *, name: str) -> Side:
    """Return the attempts of a run that was read already."""
    transcripts = (record.transcript for record in played.records)
    return Side(name=name, attempts=tuple(Attempt.of(each) for each in transcripts if each is not None))


def side_of_baseline(path: Path, scenarios: Mapping[str, str]) -> Side:
    """Return the accepted attempts of the scenarios (name to file).

    `path` is `BESIDE`, a run folder, or one baseline file. InputError where a scenario has no baseline.
    """
    if path != BESIDE and (path / "run.json").is_file():
        return side_of_run(path)
    if path != BESIDE:
        return _side_of_files(dict.fromkeys(scenarios, path), scenarios)
    return _side_of_files({name: baseline_path(file) for name, file in scenarios.items()}, scenarios)


def side_of_accepted(scenarios: Mapping[str, str]) -> Side:
    """Return the accepted attempts of those scenarios that have a baseline beside them."""
    files = {name: baseline_path(file) for name, file in scenarios.items()}
    return _side_of_files({name: file for name, file in files.items() if file.is_file()}, scenarios)


def accepted_replies(side: Side) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return the accepted replies by what was asked (`Identity.question_name`), then by model label."""
    rows: dict[str, dict[str, list[Attempt]]] = {}
    for attempt in side.attempts:
        asked = rows.setdefault(attempt.identity.question_name, {})
        asked.setdefault(attempt.identity.model_label, []).append(attempt)
    return {
        name: {label: shown.replies for label, each in asked.items() if (shown := typical(each, passed=True))}
        for name, asked in rows.items()
    }


def scenarios_of(conversations: Iterable[Conversation]) -> Mapping[str, str]:
    """Return the file of each scenario by its name."""
    return {conversation.identity.scenario: conversation.identity.path for conversation in conversations}


def _side_of_files(files: Mapping[str, Path], scenarios: Mapping[str, str]) -> Side:
    attempts = [
        attempt
        for name, file in files.items()
        for attempt in read_baseline(file, scenario_path=scenarios[name]).attempts
        if attempt.identity.scenario == name
    ]
    known = {attempt.identity.scenario for attempt in attempts}
    unknown = next((name for name in files if name not in known), None)
    if unknown is not None:
        raise InputError(
            f"{files[unknown]} is not the baseline of scenario {unknown!r}, which may have been renamed:"
            " `claude-run accept` writes it anew"
        )
    distinct = dict.fromkeys(map(str, files.values()))
    name = next(iter(distinct)) if len(distinct) == 1 else f"{len(distinct)} accepted files"
    return Side(name=name, attempts=tuple(attempts))


def _is_missed(attempts: Sequence[Attempt], pass_rates: Mapping[str, float]) -> bool:
    measured = [attempt for attempt in attempts if attempt.passed is not None]
    rate = CaseRate(
        name=attempts[0].identity.case_name,
        passed=sum(attempt.passed is True for attempt in measured),
        measured=len(measured),
        repeats=len(attempts),
        required=pass_rates.get(attempts[0].identity.scenario, 1.0),
    )
    return bool(measured) and not rate.met
