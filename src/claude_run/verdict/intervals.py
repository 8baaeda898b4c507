"""Confidence intervals of rates, of differences of rates, and of means; none of them ever has zero width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_run.verdict.basics import cluster_sums, common_units, exact_mean
from claude_run.verdict.special import normal_quantile, t_quantile

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from claude_run.verdict.basics import Number, Rate


class Method(StrEnum):
    """How an interval was made; the text is fit for a table's foot."""

    WILSON = "Wilson"
    NEWCOMBE_PAIRED = "Newcombe paired"
    PAIRED_T = "paired t"
    CLUSTERED_T = "clustered paired t"
    WIDER = "the wider of paired t and Newcombe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided confidence interval, on the scale of the estimate (rates: 0 to 1)."""

    lower: float
    upper: float
    confidence: float
    method: Method


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTable:
    """Paired passes: in both runs, only in the first, only in the second, in neither.

    The cells may be fractions: with repeats a cell is the expected count over one sample drawn from each
    run. Raises `ValueError` when a cell is negative or all are zero.
    """

    both: Number
    first_only: Number
    second_only: Number
    neither: Number

    def __post_init__(self) -> None:
        cells = (self.both, self.first_only, self.second_only, self.neither)
        if min(cells) < 0 or sum(cells) == 0:
            raise ValueError(f"a paired table needs cells >= 0 that are not all zero, got {cells}")


def wilson(rate: Rate, *, confidence: float = 0.95) -> Interval:
    """Return the score interval (p + z^2/2n -+ z sqrt(p q/n + z^2/4n^2)) / (1 + z^2/n).

    Source: Wilson 1927, JASA 22:209; Newcombe 1998, Stat Med 17:857, method 3.
    """
    return wilson_of_share(float(rate.value), rate.total, confidence=confidence)


def wilson_of_share(share: float, total: int, *, confidence: float = 0.95) -> Interval:
    """Return the same for a mean of shares, such as the pass rates of `total` cases, each in [0, 1].

    Such a mean varies no more than that of as many samples which pass or fail, so that the interval holds.
    """
    lower, upper = _wilson_limits(share, total, z=_z(confidence))
    return Interval(lower=lower, upper=upper, confidence=confidence, method=Method.WILSON)


def newcombe_paired(table: PairedTable, *, confidence: float = 0.95) -> Interval:
    """Return the interval of first - second for paired rates, squared and added with the correlation phi.

    Source: Newcombe 1998, Stat Med 17:2635, method 10: limits d -+ sqrt(l^2 - 2 phi l u + u^2) from the
    Wilson limits of both margins, phi with its continuity correction, which keeps the width above zero.
    """
    # The margins of the table, each with its Wilson limits.
    total = float(table.both + table.first_only + table.second_only + table.neither)
    first, second = float(table.both + table.first_only), float(table.both + table.second_only)
    p1, p2 = first / total, second / total
    lower1, upper1 = _wilson_limits(p1, total, z=_z(confidence))
    lower2, upper2 = _wilson_limits(p2, total, z=_z(confidence))
    # The correlation, 0 where a margin is empty; only a positive one is corrected.
    phi = 0.0
    margins = (
        first * float(table.second_only + table.neither) * second * float(table.first_only + table.neither)
    )
    if margins > 0:
        cross = float(table.both * table.neither - table.first_only * table.second_only)
        phi = (max(0.0, cross - total / 2) if cross > 0 else cross) / math.sqrt(margins)
    return Interval(
        lower=max(-1.0, p1 - p2 - _joined(p1 - lower1, upper2 - p2, phi=phi)),
        upper=min(1.0, p1 - p2 + _joined(upper1 - p1, p2 - lower2, phi=phi)),
        confidence=confidence,
        method=Method.NEWCOMBE_PAIRED,
    )


def paired_t(
    differences: Sequence[Number], *, clusters: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> Interval | None:
    """Return the t interval of the mean difference, or None where it has none (one unit, or no variation).

    mean -+ t(df) * SE, df = units - 1, where a unit is a difference or, with `clusters`, a whole cluster
    (Miller 2024, arXiv 2411.00640, sections 2 and 4; Student 1908).
    """
    error = standard_error(differences, clusters=clusters)
    if not error:
        return None
    units = len(differences if clusters is None else set(clusters))
    reach = t_quantile((1 + confidence) / 2, units - 1) * error
    mean = float(exact_mean(differences))
    method = Method.PAIRED_T if clusters is None or units == len(differences) else Method.CLUSTERED_T
    return Interval(lower=mean - reach, upper=mean + reach, confidence=confidence, method=method)


def wider(first: Interval, second: Interval) -> Interval:
    """Return the interval that reaches as far as either of two, on each side."""
    if first.lower <= second.lower and first.upper >= second.upper:
        return first
    if second.lower <= first.lower and second.upper >= first.upper:
        return second
    return Interval(
        lower=min(first.lower, second.lower),
        upper=max(first.upper, second.upper),
        confidence=first.confidence,
        method=Method.WIDER,
    )


def standard_error(values: Sequence[Number], *, clusters: Sequence[Hashable] | None = None) -> float | None:
    """Return the standard error of the mean, None for fewer than two units; exactly 0 without variation.

    Without clusters sqrt(sum (s_i - m)^2 / (n - 1) / n). With clusters sqrt(sum_c (sum_i (s_ic - m))^2) / n,
    its variance times C/(C-1) for C clusters (Miller 2024, arXiv 2411.00640, sections 2.1 and 2.2; Liang and
    Zeger 1986). Summed in whole numbers, so the order of values cannot matter.
    """
    units, denominator = common_units(values)
    n, total = len(units), sum(units)
    residuals = cluster_sums([n * unit - total for unit in units], clusters)
    if len(residuals) <= 1:
        return None
    variance = Fraction(sum(residual * residual for residual in residuals), (n * n * denominator) ** 2)
    return math.sqrt(variance * Fraction(len(residuals), len(residuals) - 1))


def _z(confidence: float) -> float:
    return normal_quantile((1 + confidence) / 2)


def _wilson_limits(p: float, n: float, *, z: float) -> tuple[float, float]:
    centre, reach = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    lower = (centre - reach) / (1 + z * z / n) if p > 0 else 0.0
    upper = (centre + reach) / (1 + z * z / n) if p < 1 else 1.0
    return max(0.0, min(p, lower)), min(1.0, max(p, upper))


def _joined(one: float, other: float, *, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))
