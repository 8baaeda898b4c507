"""The rule of the gate, which asks whether any of these cases got worse than what was accepted.

Stage 1 is an exact test over all cases: how large the drops are, weighed so that few large ones count more
than many small ones, where an improvement elsewhere pays for nothing. Stage 2 looks at the cases that always
fail now and were fine before: fresh attempts of them tell a broken case from a flaky one. Together they blame
an unchanged prompt in at most 5 % of the runs, whatever the pass rates of the cases are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from claude_run.verdict.basics import Rate

MOST_FRESH = 10
"""Fresh attempts of a case beyond which nothing is confirmed: too many cases fail to tell them apart."""

UNCOVERED_FRESH = 6
"""Fresh attempts where one or two accepted ones are too few for any promise: of two coin flips in twenty
cases one is blamed in 1 % of the runs."""

LEAST_COVERED = 3
"""Accepted attempts of a case from which the promise holds for it."""

_SURE = 5  # looks broken: at least four of five accepted attempts passed
_GRID = 1_000  # pass rates that are tried for the worst one
_EXACT_WORK = 60_000  # observed weight x weights of all deals, up to which a simulation adds them up
_FRACTION, _SHARE = 80, 60  # binary digits of a chance, and of one that it is multiplied by
_LANE_BYTES = 20  # hold their product, and the sum of all products of a deal
_LANE = 2 ** (_FRACTION + 1) - 1  # the digits of a chance: 1 is the largest
_ROUNDING = 1e-9  # a p-value of exactly the level rejects, be it a rounding error more


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAttempts:
    """The measured attempts of one case: what was accepted, and those of this run."""

    accepted: Rate
    now: Rate

    @property
    def drop(self) -> float:
        """How much less often it passes now, between -1 and 1."""
        return _drop(self.accepted.passed, self.accepted.total, self.now.passed, self.now.total)

    @property
    def looks_broken(self) -> bool:
        """Whether it was fine before, at least four times in five, and fails always now."""
        return not self.now.passed and self.accepted.passed >= sure_passes(self.accepted.total)

    @property
    def fails(self) -> bool:
        """Whether it fails always now and did not before."""
        return not self.now.passed and self.accepted.passed > 0


def sure_passes(attempts: int) -> int:
    """Return how many of the accepted attempts are four in five: 3 of 3, 4 of 5, 8 of 10."""
    return -(-(_SURE - 1) * attempts // _SURE)


def weigh(drop: float) -> int:
    """Return the weight of a drop of the pass rate, 100 x drop^1.5 as a whole number; 0 for an improvement.

    The power lies between a sum, which finds drops that are spread over all cases, and the largest drop,
    which finds the one case that broke.
    """
    return round(100 * drop**1.5) if drop > 0 else 0


def drop_p_value(cases: Sequence[CaseAttempts]) -> float:
    """Return how likely drops of this weight are where nothing has changed.

    If nothing has, the attempts of a case are alike, and which of them are those of this run is chance: given
    how many passed, the number in this run is hypergeometric, case by case (Fisher 1935). The weights of all
    deals are added up by convolution, and P(T* >= T) is what is left of those below the observed total. All
    chances stand side by side in one whole number, in binary fixed point: the error is below 1e-13.
    """
    observed = sum(weigh(each.drop) for each in cases)
    if not observed:
        return 1.0
    # Lane t of `below` is the chance that the cases so far weigh t, for every t below what was observed.
    below = 1 << _FRACTION
    lanes = int.from_bytes(_LANE.to_bytes(_LANE_BYTES, "little") * observed, "little")
    for case in cases:
        deal = _deal(case.accepted.total, case.now.total, case.accepted.passed + case.now.passed)
        if len(deal) > 1:
            moved = (
                (below * share) << (8 * _LANE_BYTES * weight)
                for weight, share in deal.items()
                if weight < observed
            )
            below = (sum(moved) >> _SHARE) & lanes
    data = below.to_bytes(_LANE_BYTES * observed, "little")
    chances = (data[at : at + _LANE_BYTES] for at in range(0, len(data), _LANE_BYTES))
    return max(0.0, 1 - sum(int.from_bytes(each, "little") for each in chances) / (1 << _FRACTION))


def gain_p_value(cases: Sequence[CaseAttempts]) -> float:
    """Return how likely gains of this weight are where nothing has changed: the same test, the other way."""
    return drop_p_value([CaseAttempts(accepted=case.now, now=case.accepted) for case in cases])


def near_drop_p_value(cases: Sequence[CaseAttempts]) -> float:
    """Return `drop_p_value` for a simulation: by a formula where the exact sum would take too long.

    That is where many cases vary in many ways, and the sum of so many weights is nearly normal. The first
    term of Edgeworth's series corrects for the skew: around 5 % it is within a percentage point, mostly
    within a tenth of one.
    """
    observed = sum(weigh(each.drop) for each in cases)
    spreads = [
        _spread(case.accepted.total, case.now.total, case.accepted.passed + case.now.passed) for case in cases
    ]
    if observed * sum(each.moves for each in spreads) <= _EXACT_WORK:
        return drop_p_value(cases)
    mean = math.fsum(each.mean for each in spreads)
    deviation = math.sqrt(math.fsum(each.variance for each in spreads))
    skew = math.fsum(each.third for each in spreads) / deviation**3
    # Totals come in steps, so half of one is what the smooth curve misses.
    z = (observed - math.gcd(*(each.step for each in spreads)) / 2 - mean) / deviation
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return min(1.0, max(0.0, math.erfc(z / math.sqrt(2)) / 2 + density * skew / 6 * (z * z - 1)))


def rejects(p_value: float, level: float) -> bool:
    """Return whether a p-value reaches the level."""
    return p_value <= level * (1 + _ROUNDING)


def failing(cases: Iterable[CaseAttempts]) -> int:
    """Return how many cases fail always now and did not before: any of them could be taken for broken."""
    return sum(each.fails for each in cases)


@lru_cache(maxsize=1024)
def fresh_attempts(accepted: int, failing: int, *, level: float) -> int | None:
    """Return how many fresh attempts must all fail before a case is called broken; None for too many.

    The least m with max over p of P(Bin(K, p) >= 4/5 K) (1-p)^m / (1 - (1-p)^K) <= level / N, for K accepted
    attempts and N cases that fail: whatever its true pass rate, a case that was fine in K attempts fails in m
    fresh ones by chance no more often than that. Given the run's own results, accepted and fresh attempts are
    independent, so over all N cases the chance of a false one is at most the level.
    """
    if accepted < LEAST_COVERED:
        return UNCOVERED_FRESH
    bound = level / failing
    return next(
        (m for m in range(1, MOST_FRESH + 1) if _worst_chance(accepted, m) <= bound * (1 + _ROUNDING)), None
    )


@lru_cache(maxsize=256)
def _worst_chance(accepted: int, fresh: int) -> float:
    """Return the largest chance, over all pass rates, that a case looks fine and then fails `fresh` times."""
    least = sure_passes(accepted)
    worst = 0.0
    for step in range(1, _GRID):
        p = step / _GRID
        fine = sum(
            math.comb(accepted, passed) * p**passed * (1 - p) ** (accepted - passed)
            for passed in range(least, accepted + 1)
        )
        worst = max(worst, fine * (1 - p) ** fresh / (1 - (1 - p) ** accepted))
    return worst


def _drop(accepted_passed: int, accepted: int, now_passed: int, now: int) -> float:
    # One division of whole numbers: equal drops are equal numbers, on every machine.
    return (accepted_passed * now - now_passed * accepted) / (accepted * now)


@lru_cache(maxsize=4096)  # suites have few distinct counts
def _deal(accepted: int, now: int, passed: int) -> Mapping[int, int]:
    """Return the chance of each weight where the attempts of a case are dealt to the two sides at random.

    It is in units of 2^-60.
    """
    ways: dict[int, int] = {}
    for dealt in range(max(0, passed - accepted), min(passed, now) + 1):
        weight = weigh(_drop(passed - dealt, accepted, dealt, now))
        count = math.comb(now, dealt) * math.comb(accepted, passed - dealt)
        ways[weight] = ways.get(weight, 0) + count
    whole = math.comb(accepted + now, passed)
    return {weight: ((count << _SHARE) + whole // 2) // whole for weight, count in ways.items()}


class _Spread(NamedTuple):
    """Mean, variance and third central moment of a deal's weight; how many it has beside 0; their step."""

    mean: float
    variance: float
    third: float
    moves: int
    step: int


@lru_cache(maxsize=4096)
def _spread(accepted: int, now: int, passed: int) -> _Spread:
    deal = {weight: share / 2**_SHARE for weight, share in _deal(accepted, now, passed).items()}
    mean = math.fsum(weight * share for weight, share in deal.items())
    second, third = (
        math.fsum((weight - mean) ** power * share for weight, share in deal.items()) for power in (2, 3)
    )
    return _Spread(mean=mean, variance=second, third=third, moves=len(deal) - 1, step=math.gcd(*deal))
