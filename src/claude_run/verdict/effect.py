"""How large the changes are: of the pass rate, and of cost, latency, tokens and length beside it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_run.verdict.basics import common_units, exact_mean, holm
from claude_run.verdict.intervals import (
    Interval,
    PairedTable,
    newcombe_paired,
    paired_t,
    standard_error,
    wider,
)
from claude_run.verdict.pairing import Metric, clusters_of
from claude_run.verdict.special import normal_quantile, t_tail

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from claude_run.verdict.pairing import Pair

_ENOUGH_FOR_T = 15  # units from which the t interval counts; below, Newcombe's alone (arXiv 2503.01747)
_ENOUGH_FOR_T_ALONE = 100  # units from which t needs no help, where as many as these changed:
_ENOUGH_CHANGED = 30
_LEAST_CHANGE = 0.05  # of a metric, relative, that anybody would act on


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The change of the mean pass rate over the paired cases; rates and differences are between -1 and 1.

    `difference` is candidate minus baseline. `units` are what the test flips: groups, and cases without one.
    `worse`, `better` and `same` count cases. `correlation` (Pearson) is over case scores, None when a run's
    cases all score alike. `standard_error` is that of the differences (clustered), or where they do not vary
    the one that the interval implies: never 0.
    """

    cases: int
    units: int
    baseline_rate: Fraction
    candidate_rate: Fraction
    difference: Fraction
    interval: Interval
    standard_error: float
    worse: int
    better: int
    same: int
    correlation: float | None


def measure_effect(pairs: Sequence[Pair], *, confidence: float = 0.95) -> Effect | None:
    """Measure the change over the pairs; None when there are none.

    The interval is the paired t (clustered where cases share groups) from 100 units on of which 30 changed.
    Where few of many cases changed its lower end is too high: with each of n cases broken by a chance of .1
    it excluded that drop of 10 points in 13 % of comparisons of 35 cases and 6 % of 100, instead of 2.5 %. So
    with fewer each end is the farther one of t and of Newcombe's paired interval; below 15 units, or without
    any variation, it is Newcombe's. For that every group counts as one case of the mean group's weight
    (Kish's effective size, n^2 / sum of squared group sizes), and a case repeated K times as one sample drawn
    from each run: a mean of K samples varies less than one, so the interval is on the safe side. Repeats do
    not narrow it where nothing varies: perfect cases, however often they are played, are so few cases.
    """
    if not pairs:
        return None
    differences = [pair.difference for pair in pairs]
    clusters = clusters_of(pairs)
    baseline = exact_mean([pair.baseline.value for pair in pairs])
    candidate = exact_mean([pair.candidate.value for pair in pairs])
    units = len(pairs if clusters is None else set(clusters))
    interval = newcombe_paired(_expected_table(pairs, clusters), confidence=confidence)
    by_t = None
    if units >= _ENOUGH_FOR_T:
        by_t = paired_t(differences, clusters=clusters, confidence=confidence)
    if by_t is not None:
        changed = len({pair.cluster for pair in pairs if pair.difference})
        is_sparse = units < _ENOUGH_FOR_T_ALONE or changed < _ENOUGH_CHANGED
        interval = wider(by_t, interval) if is_sparse else by_t
    interval = replace(interval, lower=max(-1.0, interval.lower), upper=min(1.0, interval.upper))
    # Where nothing varies the sample has no error, and the interval's longer arm over z stands for it.
    error = standard_error(differences, clusters=clusters)
    if not error:
        centre = float(candidate - baseline)
        longer_arm = max(centre - interval.lower, interval.upper - centre)
        error = longer_arm / normal_quantile((1 + confidence) / 2)
    return Effect(
        cases=len(pairs),
        units=units,
        baseline_rate=baseline,
        candidate_rate=candidate,
        difference=candidate - baseline,
        interval=interval,
        standard_error=error,
        worse=sum(difference < 0 for difference in differences),
        better=sum(difference > 0 for difference in differences),
        same=sum(difference == 0 for difference in differences),
        correlation=_correlation(pairs),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryRow:
    """A metric in its own unit, averaged over the `cases` that know it in both runs.

    `difference` is candidate minus baseline, `relative` that over the baseline's mean (None when the mean is
    0). `interval` is None when the differences do not vary. The p-values are two-sided; `p_holm` is adjusted
    over the rows of this comparison. These rows inform; they never decide the verdict. `is_finding`: the
    change is beyond chance, and large enough (5 %) that somebody would act on it.
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
    is_finding: bool = False


def compare_metrics(
    pairs: Sequence[Pair], *, confidence: float = 0.95, alpha: float = 0.05
) -> tuple[SecondaryRow, ...]:
    """Return a row for every metric that at least one pair knows in both runs, in the order of `Metric`."""
    rows = [row for metric in Metric if (row := _row(metric, pairs, confidence=confidence))]
    return tuple(
        replace(row, p_holm=adjusted, is_finding=_is_finding(row, adjusted, alpha=alpha))
        for row, adjusted in zip(rows, holm([row.p_value for row in rows]), strict=True)
    )


def _is_finding(row: SecondaryRow, p_holm: float, *, alpha: float) -> bool:
    """Return whether a change is large enough to act on, and beyond chance by the interval or the test.

    Where the differences do not vary there is no interval: they are what they are.
    """
    is_large = bool(row.difference) if row.relative is None else abs(row.relative) >= _LEAST_CHANGE
    spans_zero = row.interval is not None and row.interval.lower <= 0 <= row.interval.upper
    return is_large and not (spans_zero and p_holm > alpha)


def _row(metric: Metric, pairs: Sequence[Pair], *, confidence: float) -> SecondaryRow | None:
    known: list[Pair] = []
    differences: list[Fraction] = []
    before_sum = Fraction(0)
    for pair in pairs:
        before, after = pair.baseline_score.mean(metric), pair.candidate_score.mean(metric)
        if before is not None and after is not None:
            known.append(pair)
            differences.append(after - before)
            before_sum += before
    if not known:
        return None
    clusters = clusters_of(known)
    before_mean, difference = before_sum / len(known), exact_mean(differences)
    # The two-sided p of the paired t test; where nothing varies, of the sign test of the units.
    units = len(known if clusters is None else set(clusters))
    error = standard_error(differences, clusters=clusters)
    p_value = 2.0 ** (1 - units) if any(differences) else 1.0
    if error:
        p_value = 2 * t_tail(float(abs(difference)) / error, units - 1)
    return SecondaryRow(
        metric=metric,
        cases=len(known),
        baseline_mean=float(before_mean),
        candidate_mean=float(before_mean + difference),
        difference=float(difference),
        relative=float(difference / before_mean) if before_mean else None,
        interval=paired_t(differences, clusters=clusters, confidence=confidence),
        p_value=min(1.0, p_value),
        p_holm=min(1.0, p_value),
    )


def _expected_table(pairs: Sequence[Pair], clusters: Sequence[Hashable] | None) -> PairedTable:
    """Return the expected table of one sample of each run per case, scaled to the effective units."""
    scale = Fraction(1)
    if clusters is not None:
        scale = Fraction(len(pairs), sum(size * size for size in Counter(clusters).values()))
    both = sum((pair.candidate.value * pair.baseline.value for pair in pairs), Fraction(0))
    candidate = sum((pair.candidate.value for pair in pairs), Fraction(0))
    baseline = sum((pair.baseline.value for pair in pairs), Fraction(0))
    return PairedTable(
        both=both * scale,
        first_only=(candidate - both) * scale,
        second_only=(baseline - both) * scale,
        neither=(len(pairs) - candidate - baseline + both) * scale,
    )


def _correlation(pairs: Sequence[Pair]) -> float | None:
    n = len(pairs)
    before, _ = common_units([pair.baseline.value for pair in pairs])
    after, _ = common_units([pair.candidate.value for pair in pairs])
    cross = n * sum(x * y for x, y in zip(before, after, strict=True)) - sum(before) * sum(after)
    spread = (n * sum(x * x for x in before) - sum(before) ** 2) * (
        n * sum(y * y for y in after) - sum(after) ** 2
    )
    return cross / math.sqrt(spread) if spread else None
