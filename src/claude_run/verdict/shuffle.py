"""The test for sides with different numbers of attempts: which attempt belongs to which side is shuffled.

The sign-flip test asks that a difference be as likely + as -. Where one side has more attempts at a case than
the other, that fails even if nothing changed: a mean over many attempts spreads less than one over few.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_run.verdict.exact import Tails
from claude_run.verdict.special import normal_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.verdict.rational import Rate

_EXACT_STEPS = 4_000_000
"""Additions of the dynamic programme, a few seconds at most; longer sums are as good as normal."""


def label_shuffle(pairs: Sequence[tuple[Rate, Rate]]) -> Tails:
    """Return the exact test of "each case's attempts are alike on both sides", (baseline, candidate).

    If nothing changed, every choice of which attempts of a case are the candidate's was equally likely: its
    passes are hypergeometric given all passes of the case (Fisher 1935; Good 2005, stratified permutation).
    The statistic is the sum of the differences of the pass rates, candidate minus baseline; its distribution
    is counted case by case. Above some millions of steps, that is with hundreds of cases, the sum is taken as
    normal with its exact mean and variance.
    """
    unit = math.lcm(*(rate.total for pair in pairs for rate in pair)) if pairs else 1
    observed = sum(_points(before, after, after.passed, unit=unit) for before, after in pairs)
    reach = sum(2 * unit for before, after in pairs if _moves(before, after))
    if reach * sum(min(before.total, after.total) + 1 for before, after in pairs) > _EXACT_STEPS:
        return _normal(pairs, observed, unit=unit)
    ways: dict[int, int] = {0: 1}
    for before, after in pairs:
        grown: dict[int, int] = {}
        for passed, count in _hypergeometric(before, after):
            step = _points(before, after, passed, unit=unit)
            for total, chances in ways.items():
                grown[total + step] = grown.get(total + step, 0) + chances * count
        ways = grown
    whole = sum(ways.values())
    return Tails(
        less=Fraction(sum(count for total, count in ways.items() if total <= observed), whole),
        greater=Fraction(sum(count for total, count in ways.items() if total >= observed), whole),
        point=Fraction(ways[observed], whole),
    )


def stricter(first: Tails, second: Tails) -> Tails:
    """Return the larger p-value in each direction: valid wherever one of the two tests is."""
    return Tails(
        less=max(first.less, second.less),
        greater=max(first.greater, second.greater),
        point=min(first.point, second.point),
    )


def _moves(before: Rate, after: Rate) -> bool:
    return 0 < before.passed + after.passed < before.total + after.total


def _points(before: Rate, after: Rate, passed: int, *, unit: int) -> int:
    """Return the difference of the rates in units if `passed` of all passes were the candidate's."""
    rest = before.passed + after.passed - passed
    return passed * (unit // after.total) - rest * (unit // before.total)


def _hypergeometric(before: Rate, after: Rate) -> list[tuple[int, int]]:
    passes = before.passed + after.passed
    fewest, most = max(0, passes - before.total), min(passes, after.total)
    return [
        (passed, math.comb(after.total, passed) * math.comb(before.total, passes - passed))
        for passed in range(fewest, most + 1)
    ]


def _normal(pairs: Sequence[tuple[Rate, Rate]], observed: int, *, unit: int) -> Tails:
    """Use mean 0 and the variance of the hypergeometric counts, with half a unit of continuity correction."""
    variance = 0.0
    for before, after in pairs:
        n, passes = before.total + after.total, before.passed + after.passed
        spread = after.total * before.total * passes * (n - passes) / (n * n * (n - 1))
        variance += spread * (unit / after.total + unit / before.total) ** 2
    scale = math.sqrt(variance)
    if not scale:
        return Tails(less=Fraction(1), greater=Fraction(1), point=Fraction(1))
    less = Fraction(normal_tail(-(observed + 0.5) / scale))
    greater = Fraction(normal_tail((observed - 0.5) / scale))
    return Tails(less=less, greater=greater, point=max(Fraction(0), less + greater - 1))
