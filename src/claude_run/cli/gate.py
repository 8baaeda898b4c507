"""`run --baseline`: the finished run held against its baseline, and what that means for the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.cli.sides import side_of_played
from claude_run.errors import ExitCode
from claude_run.record.summary import CaseRate, Gate
from claude_run.text.visible import count
from claude_run.verdict.basics import Verdict
from claude_run.verdict.contest import compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.cli.options import GateOptions
    from claude_run.conversation.attempt import Attempt
    from claude_run.record.derive import Played
    from claude_run.verdict.contest import Contest, Side


def gate_run(played: Played, baseline: Side, options: GateOptions, *, looks: int = 1) -> Contest:
    """Compare a run with its baseline."""
    candidate = side_of_played(played, name="this run")
    return compare(baseline, [candidate], options.rules(looks=looks))


def verdict_of(contest: Contest, options: GateOptions, pass_rates: Mapping[str, float]) -> Gate | None:
    """Put the outcome of the gate into words; None where it could never fail: then the checks decide.

    Cases that the baseline does not know are new: each must reach its scenario's pass rate, as it would
    without a baseline.
    """
    if options.on_inconclusive == "warn" and _is_toothless(contest):
        return None
    code = exit_code_of(contest, options)
    verdict = contest.duels[0].comparison.verdict
    reason = f"{verdict} against {contest.baseline.name}"
    failed = _failed_new_cases(contest, pass_rates)
    if failed and code is ExitCode.PASSED:
        code = ExitCode.FAILED
        reason = f"{reason}, but {count(len(failed), 'new case')} failed: {', '.join(failed[:3])}"
    return Gate(code=code, verdict=str(verdict), reason=reason)


def exit_code_of(contest: Contest, options: GateOptions) -> ExitCode:
    """Return FAILED when a candidate regressed, or when nobody can tell and that is not good enough."""
    verdicts = {duel.comparison.verdict for duel in contest.duels}
    strict = options.on_inconclusive == "fail"
    if Verdict.REGRESSED in verdicts or (strict and Verdict.INCONCLUSIVE in verdicts):
        return ExitCode.FAILED
    return ExitCode.PASSED


def _is_toothless(contest: Contest) -> bool:
    """Tell whether so few cases were compared that not even all of them getting worse proves anything."""
    comparison = contest.duels[0].comparison
    effect, outlook = comparison.effect, comparison.outlook
    return effect is None or outlook is None or effect.units < outlook.fewest_changes


def _failed_new_cases(contest: Contest, pass_rates: Mapping[str, float]) -> list[str]:
    return [
        case
        for duel in contest.duels
        for case in duel.comparison.pairing.candidate_only
        if _is_missed(duel.candidate_attempts[case], pass_rates)
    ]


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
