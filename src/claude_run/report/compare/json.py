"""A comparison for programs: every number behind the verdicts, and every case with its rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.conversation.lazy import LazySequence
from claude_run.report.compare.words import headline, is_flaky

if TYPE_CHECKING:
    from claude_run.scenario.json_values import JsonObject
    from claude_run.verdict.basics import ComparisonRules, Rate
    from claude_run.verdict.changes import CaseChange
    from claude_run.verdict.comparison import CandidateResult, Comparison
    from claude_run.verdict.effect import Effect, SecondaryRow
    from claude_run.verdict.intervals import Interval
    from claude_run.verdict.pairing import Pair

SCHEMA_VERSION = 2


def comparison_json(comparison: Comparison) -> JsonObject:
    """Return the comparison as JSON: rates, differences and margins between -1 and 1, absent values null.

    `verdict` is the gravest of all candidates, null when there is none. `cases` lists every paired case in
    the order of the baseline; of one that did not change the p-values are null.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "baseline": comparison.baseline.name,
        "verdict": headline(comparison).verdict.value if comparison.candidates else None,
        "candidates": [_candidate(candidate) for candidate in comparison.candidates],
    }


def _candidate(candidate: CandidateResult) -> JsonObject:
    result = candidate.result
    pairing = result.pairing
    # Of a case that did not change there is only its pair; the change adds what the tests say of it alone.
    changes = {change.case: change for change in result.changes}
    return {
        "candidate": candidate.arm.name,
        "verdict": result.verdict.value,
        "under_test": candidate.conditions.under_test,
        "conditions_known": candidate.conditions.known,
        "differs": [
            {
                "name": str(unlike.name),
                "baseline": unlike.baseline,
                "candidate": unlike.candidate,
                "cases": unlike.cases,
            }
            for unlike in candidate.conditions.differs
        ],
        "rules": _rules(result.rules),
        "effect": None if result.effect is None else _effect(result.effect),
        "p_worse": result.p_worse,
        "p_better": result.p_better,
        "p_worse_adjusted": result.p_worse_adjusted,
        "p_better_adjusted": result.p_better_adjusted,
        "fewest_changes": result.fewest_changes,
        "metrics": [_metric(row) for row in result.secondary],
        "cases": LazySequence.over(pairing.pairs, lambda pair: _case(pair, changes.get(pair.case))),
        "changed": [change.case for change in result.changes],
        "baseline_only": list(pairing.baseline_only),
        "candidate_only": list(pairing.candidate_only),
        "unmeasured": list(pairing.unmeasured),
        "lost_attempts": pairing.lost_samples,
        "notes": list(result.notes),
    }


def _rules(rules: ComparisonRules) -> JsonObject:
    return {
        "alpha": rules.alpha,
        "margin": rules.margin,
        "confidence": rules.confidence,
        "p_value": rules.p_value.value,
    }


def _effect(effect: Effect) -> JsonObject:
    return {
        "cases": effect.cases,
        "units": effect.units,
        "baseline_rate": float(effect.baseline_rate),
        "candidate_rate": float(effect.candidate_rate),
        "difference": float(effect.difference),
        "interval": _interval(effect.interval),
        "standard_error": effect.standard_error,
        "worse": effect.worse,
        "better": effect.better,
        "same": effect.same,
        "correlation": effect.correlation,
    }


def _metric(row: SecondaryRow) -> JsonObject:
    return {
        "metric": row.metric.value,
        "cases": row.cases,
        "baseline_mean": row.baseline_mean,
        "candidate_mean": row.candidate_mean,
        "difference": row.difference,
        "relative": row.relative,
        "interval": None if row.interval is None else _interval(row.interval),
        "p_value": row.p_value,
        "p_holm": row.p_holm,
        "is_finding": row.is_finding,
    }


def _case(pair: Pair, change: CaseChange | None) -> JsonObject:
    return {
        "case": pair.case,
        "group": pair.group,
        "baseline": _rate(pair.baseline),
        "candidate": _rate(pair.candidate),
        "difference": float(pair.difference),
        "flaky": is_flaky(pair),
        "p_worse": change.p_worse if change else None,
        "p_holm": change.p_holm if change else None,
        "p_bh": change.p_bh if change else None,
        "regressed": change is not None and change.regressed,
        "worth_a_look": change is not None and change.worth_a_look,
    }


def _rate(rate: Rate) -> JsonObject:
    return {"passed": rate.passed, "total": rate.total, "rate": float(rate.value)}


def _interval(interval: Interval) -> JsonObject:
    return {
        "lower": interval.lower,
        "upper": interval.upper,
        "confidence": interval.confidence,
        "method": interval.method.value,
    }
