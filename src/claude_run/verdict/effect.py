"""How large the change of the pass rate is: the mean paired difference, its interval, and what moved."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_run.verdict.intervals import Interval, PairedTable, newcombe_paired, paired_t, standard_error
from claude_run.verdict.rational import common_units
from claude_run.verdict.special import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.verdict.pairing import Pair

ENOUGH_FOR_T = 15  # units from which the t interval is shown; below, Newcombe's (arXiv 2503.01747 on small n)


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

    The interval is the paired t (clustered where cases share groups) from 15 units on when the differences
    vary, else Newcombe's paired interval. For the latter every group counts as one case of the mean group's
    weight (Kish's effective size, n^2 / sum of squared group sizes), and a case repeated K times as one
    attempt drawn from each run: a mean of K attempts varies less than one, so the interval is on the safe
    side.
    """
    if not pairs:
        return None
    differences = [pair.difference for pair in pairs]
    baseline = sum((pair.baseline.value for pair in pairs), Fraction(0)) / len(pairs)
    candidate = sum((pair.candidate.value for pair in pairs), Fraction(0)) / len(pairs)
    interval = _interval(pairs, confidence=confidence)
    return Effect(
        cases=len(pairs),
        units=len({pair.cluster for pair in pairs}),
        baseline_rate=baseline,
        candidate_rate=candidate,
        difference=candidate - baseline,
        interval=interval,
        standard_error=_standard_error(pairs, interval),
        worse=sum(difference < 0 for difference in differences),
        better=sum(difference > 0 for difference in differences),
        same=sum(difference == 0 for difference in differences),
        correlation=_correlation(pairs),
    )


def _interval(pairs: Sequence[Pair], *, confidence: float) -> Interval:
    clusters = [pair.cluster for pair in pairs]
    if len(set(clusters)) >= ENOUGH_FOR_T:
        differences = [pair.difference for pair in pairs]
        student = paired_t(differences, clusters=clusters, confidence=confidence)
        if student is not None:
            return replace(student, lower=max(-1.0, student.lower), upper=min(1.0, student.upper))
    return newcombe_paired(_expected_table(pairs, clusters), confidence=confidence)


def _standard_error(pairs: Sequence[Pair], interval: Interval) -> float:
    """Return the sample's standard error; where nothing varies, the interval's longer arm over z."""
    sample = standard_error([pair.difference for pair in pairs], clusters=[pair.cluster for pair in pairs])
    if sample:
        return sample
    centre = float(sum((pair.difference for pair in pairs), Fraction(0)) / len(pairs))
    return max(centre - interval.lower, interval.upper - centre) / normal_quantile(
        (1 + interval.confidence) / 2
    )


def _expected_table(pairs: Sequence[Pair], clusters: Sequence[object]) -> PairedTable:
    """Return the expected table of one attempt of each run per case, scaled to the effective units."""
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
