"""What this room shares: exact rates, adjusted p-values, and the rules and words of a comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from claude_run.verdict.exact import Tails

Number: TypeAlias = int | float | Fraction
P = TypeVar("P", float, Fraction)


class Verdict(StrEnum):
    """Of a candidate run against its baseline."""

    IMPROVED = "improved"
    NOT_WORSE = "not worse"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"


class PValue(StrEnum):
    """The p-value that a verdict reads: `exact` keeps the promised rate of false alarms, `midp` does not."""

    EXACT = "exact"
    MID = "midp"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRules:
    """How a verdict is reached, fixed before the runs are looked at.

    `alpha`: the one-sided false-alarm rate of `regressed` (and of `improved`). `margin`: `not worse` means
    that a drop of this size is excluded by the interval; the default of ten points is about the least that
    suites of 40 cases can show. `confidence`: of the two-sided intervals. Rates are between 0 and 1. Raises
    `ValueError` for a value outside its range.
    """

    alpha: float = 0.05
    margin: float = 0.1
    confidence: float = 0.95
    p_value: PValue = PValue.EXACT

    def __post_init__(self) -> None:
        ranges = (
            ("alpha", 0 < self.alpha < 0.5, "above 0 and below 0.5"),  # noqa: PLR2004 - both one-sided verdicts could hold from 0.5 on
            ("margin", 0 < self.margin <= 1, "above 0 and at most 1"),
            ("confidence", 0 < self.confidence < 1, "above 0 and below 1"),
        )
        for name, is_inside, meant in ranges:
            if not is_inside:
                raise ValueError(f"{name} must be {meant}, got {getattr(self, name)}")

    @property
    def level(self) -> Fraction:
        """Alpha as the decimal that it was written as."""
        return as_decimal(self.alpha)

    def worse(self, tails: Tails) -> Fraction:
        """Return the p-value of "the candidate is worse" from the tails of candidate minus baseline."""
        return tails.mid_less if self.p_value is PValue.MID else tails.less

    def better(self, tails: Tails) -> Fraction:
        """Return the p-value of "the candidate is better"."""
        return tails.mid_greater if self.p_value is PValue.MID else tails.greater


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`passed` out of `total` samples. Raises `ValueError` unless 0 <= passed <= total and total >= 1."""

    passed: int
    total: int

    def __post_init__(self) -> None:
        if self.total < 1 or not 0 <= self.passed <= self.total:
            raise ValueError(
                f"a rate needs 0 <= passed <= total and total >= 1, got {self.passed}/{self.total}"
            )

    @property
    def value(self) -> Fraction:
        return Fraction(self.passed, self.total)

    @property
    def is_flaky(self) -> bool:
        """Whether some samples passed and others failed."""
        return 0 < self.passed < self.total


def as_decimal(number: Number) -> Fraction:
    """Return what the number says in decimal: 0.1 is one tenth, not the binary value that is a little more.

    Thresholds pass through here, so that a drop of exactly 1/10 reaches a threshold written as 0.1.
    """
    return number if isinstance(number, Fraction) else Fraction(str(number))


def common_units(values: Sequence[Number]) -> tuple[list[int], int]:
    """Return whole numbers and their common denominator: values[i] == units[i] / denominator, exactly."""
    fractions = [value if isinstance(value, Fraction) else Fraction(value) for value in values]
    denominator = math.lcm(*(fraction.denominator for fraction in fractions))
    return [fraction.numerator * (denominator // fraction.denominator) for fraction in fractions], denominator


def exact_mean(values: Sequence[Number]) -> Fraction:
    """Return the mean, exactly: summed in whole numbers, which costs a fraction of adding fractions up."""
    units, denominator = common_units(values)
    return Fraction(sum(units), denominator * len(values))


def cluster_sums(units: Sequence[int], clusters: Sequence[Hashable] | None) -> list[int]:
    """Add up the units of each cluster, in order of appearance; without clusters each unit stands alone.

    Raises `ValueError` when `clusters` does not name one cluster for each unit.
    """
    if clusters is None:
        return list(units)
    sums: dict[Hashable, int] = {}
    for unit, cluster in zip(units, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0) + unit
    return list(sums.values())


def holm(p_values: Sequence[P]) -> list[P]:
    """Return Holm's step-down p-values, in the order given: max over j <= i of (m - j + 1) p_(j), at most 1.

    Rejecting those <= alpha keeps the chance of any false rejection at alpha (Holm 1979, Scand J Stat 6:65).
    Fractions stay fractions.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = list(p_values)
    running = None
    for rank, index in enumerate(order):
        stepped = _at_most_one(p_values[index] * (len(order) - rank))
        running = stepped if running is None else max(running, stepped)
        adjusted[index] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[P]) -> list[P]:
    """Return step-up p-values, in the order given: min over j >= i of (m / j) p_(j), at most 1.

    Rejecting those <= alpha keeps the expected share of false rejections at alpha, for independent or
    positively dependent tests (Benjamini and Hochberg 1995, JRSS B 57:289).
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = list(p_values)
    running = None
    for rank in range(len(order), 0, -1):
        index = order[rank - 1]
        stepped = _at_most_one(p_values[index] * len(order) / rank)
        running = stepped if running is None else min(running, stepped)
        adjusted[index] = running
    return adjusted


def _at_most_one(value: P) -> P:
    return min(value, type(value)(1))
