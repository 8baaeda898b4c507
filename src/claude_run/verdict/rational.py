"""Exact numbers: rates as counts, decimals as fractions, differences as whole units, groups as sums."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

Number: TypeAlias = int | float | Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`passed` out of `total` attempts. Raises `ValueError` unless 0 <= passed <= total and total >= 1."""

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
