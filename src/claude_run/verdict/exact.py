"""The exact test of paired results: the sign-flip test, which is McNemar's for single attempts.

Everything here is counted in whole numbers, so a p-value is a fraction and the same data give the same
digits on every machine. `sign_flip` says which unusual inputs are rounded, and how.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_run.verdict.rational import cluster_sums, common_units

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from claude_run.verdict.rational import Number

_EXACT_BUDGET = 10**10  # bit operations: half a second or so. Beyond it, lanes of fixed precision
_MOST_PLACES = 1 << 18  # that many reachable sums are told apart
_PRECISION = 96  # bits of a probability in such a lane: the error of a p-value stays below 1e-18
_HEADROOM = 16  # additions between two roundings of such lanes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tails:
    """Where an observed statistic t stands in its null distribution.

    `less` = P(T <= t), `greater` = P(T >= t), `point` = P(T = t). The mid-p values count half of the point
    (Lancaster 1961; for McNemar's test Fagerland, Lydersen, Laake 2013, BMC Med Res Methodol 13:91).
    """

    less: Fraction
    greater: Fraction
    point: Fraction

    @property
    def mid_less(self) -> Fraction:
        return self.less - self.point / 2

    @property
    def mid_greater(self) -> Fraction:
        return self.greater - self.point / 2


def sign_flip(differences: Sequence[Number], *, clusters: Sequence[Hashable] | None = None) -> Tails:
    """Return the exact one-sample randomization test of "each difference is as likely + as -".

    The statistic is the sum of the differences (Fisher 1935, The Design of Experiments, section 21; Good
    2005). All 2^m sign assignments are counted by a dynamic programme over the reachable sums. With
    `clusters` (one label per difference) the sum of a cluster flips as a whole. With differences of -1, 0
    and 1 this is the exact McNemar test. Differences of zero flip into themselves and do not count.

    Two bounds keep unusual inputs fast. Sums that would fall on more than 262,144 places (differences
    without a small common denominator) are first rounded to that many: any statistic whose size does not
    depend on the signs gives a valid sign-flip test, so the false-alarm rate is still exact. And where
    whole counts would take seconds, probabilities of 96 bits move a p-value by less than 1e-18.
    """
    units, _ = common_units(differences)
    flips = _on_few_places([total for total in cluster_sums(units, clusters) if total])
    if not flips:
        return Tails(less=Fraction(1), greater=Fraction(1), point=Fraction(1))
    return _positive_sum_tails(sorted(map(abs, flips)), sum(flip for flip in flips if flip > 0))


def fewest_changes(level: Fraction, *, mid_p: bool = False) -> int:
    """Return how many units must change in one direction before a one-sided sign test can reach `level`.

    The smallest possible p of m changes is 2^-m (mid-p: 2^-(m+1)): five changes for .05, p = .03125.
    """
    changes = 1
    while Fraction(1, 2 ** (changes + mid_p)) > level:
        changes += 1
    return changes


def _on_few_places(flips: list[int]) -> list[int]:
    """Divide by the common factor; where the reachable sums are still too many, round to a coarser unit."""
    factor = math.gcd(*flips)
    total = sum(map(abs, flips))
    if not factor or total // factor <= _MOST_PLACES:
        return [flip // factor for flip in flips]
    rounded = [(2 * abs(flip) * _MOST_PLACES + total) // (2 * total) for flip in flips]
    return [size if flip > 0 else -size for flip, size in zip(flips, rounded, strict=True) if size]


def _positive_sum_tails(weights: list[int], observed: int) -> Tails:
    """Return the tails of `observed` for the sum of a random subset: each weight is in by a fair coin.

    A sum of signed weights rises with the sum of its positive part, so the tails are the same. The counts of
    all sums stand side by side in one big integer, a lane of bits each; adding a weight is one shift and one
    addition.
    """
    count, total = len(weights), sum(weights)
    exact = count * count * (total + 1) <= _EXACT_BUDGET
    lane = count + 1 if exact else _PRECISION + _HEADROOM + 1
    packed, whole = _exact_counts(weights, lane) if exact else _rounded_counts(weights, lane)
    # The distribution is symmetric: the smaller tail is counted, and mirrored where it is the lower one.
    farther = max(observed, total - observed)
    upper = packed >> (farther * lane)
    least = Fraction(1, 2**count)  # the observed assignment itself is always one of the 2^m
    # The lanes are digits in base 2^lane, and a number is congruent to the sum of its digits modulo base - 1.
    tail = max(Fraction(upper % ((1 << lane) - 1), whole), least)
    point = max(Fraction(upper & ((1 << lane) - 1), whole), least)
    rest = tail if 2 * observed == total else 1 - tail + point
    if observed == farther:
        return Tails(less=rest, greater=tail, point=point)
    return Tails(less=tail, greater=rest, point=point)


def _exact_counts(weights: list[int], lane: int) -> tuple[int, int]:
    packed = 1
    for weight in weights:
        packed += packed << (weight * lane)
    return packed, 1 << len(weights)


def _rounded_counts(weights: list[int], lane: int) -> tuple[int, int]:
    """Count with lanes of fixed width, halved `_HEADROOM` times at once; what leaves a lane is masked."""
    packed, top = 1 << _PRECISION, 0
    for start in range(0, len(weights), _HEADROOM):
        chunk = weights[start : start + _HEADROOM]
        for weight in chunk:
            packed += packed << (weight * lane)
        top += sum(chunk)
        packed = (packed >> len(chunk)) & _lane_mask(lane, top + 1)
    return packed, 1 << _PRECISION


def _lane_mask(lane: int, lanes: int) -> int:
    """Return ones in the lowest `_PRECISION + 1` bits of each lane, by doubling."""
    mask, made = (1 << (_PRECISION + 1)) - 1, 1
    while made < lanes:
        mask |= mask << (made * lane)
        made *= 2
    return mask
