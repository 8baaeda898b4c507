"""Cost, latency, tokens and length beside the verdict: mean paired differences, adjusted among themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_run.verdict.intervals import Interval, paired_t, standard_error
from claude_run.verdict.multiple import holm
from claude_run.verdict.pairing import Metric
from claude_run.verdict.special import t_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.verdict.pairing import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryRow:
    """A metric in its own unit, averaged over the `cases` that know it in both runs.

    `difference` is candidate minus baseline, `relative` that over the baseline's mean (None when the mean is
    0). `interval` is None when the differences do not vary. The p-values are two-sided; `p_holm` is adjusted
    over the rows of this comparison. These rows inform; they never decide the verdict.
    """

    metric: Metric
    cases: int
    baseline_mean: float
    candidate_mean: float
    difference: float
    relative: float | None
    interval: Interval | None
    p_value: float
    p_holm: float


def compare_metrics(pairs: Sequence[Pair], *, confidence: float = 0.95) -> tuple[SecondaryRow, ...]:
    """Return a row for every metric that at least one pair knows in both runs, in the order of `Metric`."""
    rows = [row for metric in Metric if (row := _row(metric, pairs, confidence=confidence))]
    return tuple(
        replace(row, p_holm=adjusted)
        for row, adjusted in zip(rows, holm([row.p_value for row in rows]), strict=True)
    )


def _row(metric: Metric, pairs: Sequence[Pair], *, confidence: float) -> SecondaryRow | None:
    known = [
        (pair, before, after)
        for pair in pairs
        if (before := pair.baseline_score.mean(metric)) is not None
        and (after := pair.candidate_score.mean(metric)) is not None
    ]
    if not known:
        return None
    clusters = [pair.cluster for pair, _, _ in known]
    differences = [after - before for _, before, after in known]
    before_mean = sum((before for _, before, _ in known), Fraction(0)) / len(known)
    difference = sum(differences, Fraction(0)) / len(known)
    p_value = _p_value(differences, clusters)
    return SecondaryRow(
        metric=metric,
        cases=len(known),
        baseline_mean=float(before_mean),
        candidate_mean=float(before_mean + difference),
        difference=float(difference),
        relative=float(difference / before_mean) if before_mean else None,
        interval=paired_t(differences, clusters=clusters, confidence=confidence),
        p_value=p_value,
        p_holm=p_value,
    )


def _p_value(differences: Sequence[Fraction], clusters: Sequence[object]) -> float:
    """Return the two-sided p of the paired t test; where nothing varies, of the sign test of the units."""
    units = len(set(clusters))
    error = standard_error(differences, clusters=clusters)
    if error:
        mean = float(abs(sum(differences, Fraction(0))) / len(differences))
        return min(1.0, 2 * t_tail(mean / error, units - 1))
    return min(1.0, 2.0 ** (1 - units)) if any(differences) else 1.0
