"""`run --baseline`: the finished run held against its baseline, and what that means for the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.cli.sides import side_of_played
from claude_run.errors import ExitCode
from claude_run.record.summary import Gate
from claude_run.report.numbers import count
from claude_run.verdict.contest import compare
from claude_run.verdict.rules import Verdict

if TYPE_CHECKING:
    from claude_run.cli.options import GateOptions
    from claude_run.record.derive import Played
    from claude_run.verdict.contest import Contest, Side


def gate_run(played: Played, baseline: Side, options: GateOptions, *, looks: int = 1) -> Contest:
    """Compare a run with its baseline."""
    candidate = side_of_played(played, name="this run")
    return compare(baseline, [candidate], options.rules(looks=looks))


def verdict_of(contest: Contest, options: GateOptions) -> Gate:
    """Put the outcome of the gate into words.

    Cases that the baseline does not know are new: each must pass, as it would without a baseline.
    """
    code = exit_code_of(contest, options)
    verdict = contest.duels[0].comparison.verdict
    reason = f"{verdict} against {contest.baseline.name}"
    failed = _failed_new_cases(contest)
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


def _failed_new_cases(contest: Contest) -> list[str]:
    return [
        case
        for duel in contest.duels
        for case in duel.comparison.pairing.candidate_only
        if any(attempt.passed is False for attempt in duel.candidate_attempts[case])
    ]
