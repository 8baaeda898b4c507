"""Exact tests of two independent rates: Fisher's conditional one, Boschloo's and Barnard's unconditional."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from claude_run.verdict.rational import Rate

_GRID = 256  # nuisance values tried before the best one is refined
_GOLDEN = (math.sqrt(5) - 1) / 2
_REFINEMENTS = 60  # golden-section steps: the bracket shrinks below 1e-12
_Region: TypeAlias = "list[list[int]]"  # per count of the first rate, the counts of the second in the region


@dataclass(frozen=True, slots=True, kw_only=True)
class FisherTest:
    """Conditional p-values: `less` for "the first rate is lower", `greater` for "higher".

    `two_sided` adds up the tables that are at most as likely as the observed one (R's fisher.test).
    """

    less: Fraction
    greater: Fraction
    two_sided: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class UnconditionalTest:
    """A statistic and the largest probability, over the common rate, of one at least as extreme."""

    statistic: float
    p_value: float


def fisher(first: Rate, second: Rate) -> FisherTest:
    """Return Fisher's exact test of two rates (Fisher 1935, The Design of Experiments, chapter 2)."""
    hits, ways = _hypergeometric(first.total, second.total, passed=first.passed + second.passed)
    whole = sum(ways)
    seen = ways[first.passed - hits]
    return FisherTest(
        less=Fraction(sum(ways[: first.passed - hits + 1]), whole),
        greater=Fraction(sum(ways[first.passed - hits :]), whole),
        two_sided=Fraction(sum(way for way in ways if way <= seen), whole),
    )


def boschloo(first: Rate, second: Rate) -> UnconditionalTest:
    """Return Boschloo's one-sided test of "the first rate is higher"; swap the arguments for "lower".

    The statistic is Fisher's one-sided p-value; the test is never less powerful than Fisher's
    (Boschloo 1970, Statistica Neerlandica 24:1). Costs first.total * second.total exact tails.
    """
    observed = fisher(first, second).greater
    region: _Region = [[] for _ in range(first.total + 1)]
    for passed in range(first.total + second.total + 1):
        lowest, ways = _hypergeometric(first.total, second.total, passed=passed)
        limit, tail = observed * sum(ways), 0
        for offset in range(len(ways) - 1, -1, -1):
            tail += ways[offset]
            if tail > limit:
                break
            region[lowest + offset].append(passed - lowest - offset)
    return UnconditionalTest(statistic=float(observed), p_value=_supremum(region, first, second))


def barnard(first: Rate, second: Rate) -> UnconditionalTest:
    """Return Barnard's two-sided test with the pooled Wald statistic (Barnard 1945, Nature 156:177).

    `statistic` is (p1 - p2) / sqrt(p (1 - p) (1/n1 + 1/n2)) with the pooled p, 0 where p is 0 or 1.
    """
    observed = _squared_wald(first.passed, second.passed, first=first, second=second)
    region: _Region = [
        [
            other
            for other in range(second.total + 1)
            if _squared_wald(one, other, first=first, second=second) >= observed
        ]
        for one in range(first.total + 1)
    ]
    size = math.sqrt(observed * (first.total + second.total))
    statistic = math.copysign(size, first.value - second.value) if observed else 0.0
    return UnconditionalTest(statistic=statistic, p_value=_supremum(region, first, second))


def _hypergeometric(first: int, second: int, *, passed: int) -> tuple[int, list[int]]:
    """Return the least passes of `first`, and the ways in which each count from it upwards comes about."""
    lowest, highest = max(0, passed - second), min(first, passed)
    return lowest, [
        math.comb(first, hits) * math.comb(second, passed - hits) for hits in range(lowest, highest + 1)
    ]


def _squared_wald(one: int, other: int, *, first: Rate, second: Rate) -> Fraction:
    """Return the squared pooled Wald statistic over n1 + n2: comparable without rounding."""
    passed, total = one + other, first.total + second.total
    if passed in {0, total}:
        return Fraction(0)
    gap = one * second.total - other * first.total
    return Fraction(gap * gap, first.total * second.total * passed * (total - passed))


def _supremum(region: _Region, first: Rate, second: Rate) -> float:
    """Return the largest probability of the region over the common rate: by grid, then by golden section."""

    def probability(rate: float) -> float:
        others = list(_binomial_masses(second.total, rate))
        masses = _binomial_masses(first.total, rate)
        return math.fsum(mass * others[x] for mass, row in zip(masses, region, strict=True) for x in row)

    best = max(range(_GRID + 1), key=lambda step: probability(step / _GRID))
    low, high = max(0, best - 1) / _GRID, min(_GRID, best + 1) / _GRID
    return min(1.0, max(probability(best / _GRID), _golden_maximum(probability, low, high=high)))


def _golden_maximum(function: Callable[[float], float], low: float, *, high: float) -> float:
    for _ in range(_REFINEMENTS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if function(left) < function(right):
            low = left
        else:
            high = right
    return function((low + high) / 2)


def _binomial_masses(trials: int, chance: float) -> Iterator[float]:
    return (math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(trials + 1))
