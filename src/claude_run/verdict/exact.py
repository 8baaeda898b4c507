"""Exact tests of two runs: sign flips of paired differences, shuffled labels, and Fisher's test of one case.

Everything here is counted in whole numbers, so a p-value is a fraction and the same data give the same
digits on every machine. `sign_flip` and `label_shuffle` say which unusual inputs are rounded, and how.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_run.verdict.basics import cluster_sums, common_units
from claude_run.verdict.special import normal_tail

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from claude_run.verdict.basics import Number, Rate

_EXACT_BUDGET = 10**10  # bit operations: half a second or so. Beyond it, lanes of fixed precision
_MOST_PLACES = 1 << 18  # that many reachable sums are told apart
_PRECISION = 96  # bits of a probability in such a lane: the error of a p-value stays below 1e-18
_HEADROOM = 16  # additions between two roundings of such lanes
_EXACT_STEPS = 4_000_000  # additions of a shuffle, half a second or so; longer sums are as good as normal


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


def label_shuffle(pairs: Sequence[tuple[Rate, Rate]]) -> Tails:
    """Return the exact test of "each case's samples are alike on both sides", (baseline, candidate).

    For sides with different numbers of samples, where a difference is not as likely + as - even if nothing
    changed: a mean over many samples spreads less than one over few. If nothing changed, every choice of
    which samples of a case are the candidate's was equally likely: its passes are hypergeometric given all
    passes of the case (Fisher 1935; Good 2005, stratified permutation). The statistic is the sum of the
    differences of the pass rates, candidate minus baseline; its distribution is counted case by case. Above
    some millions of steps, that is with hundreds of cases, the sum is taken as normal with its exact mean
    and variance.
    """
    # In units of the common denominator every difference is a whole number.
    unit = math.lcm(*(rate.total for pair in pairs for rate in pair)) if pairs else 1
    observed = sum(_points(before, after, after.passed, unit=unit) for before, after in pairs)
    mixed = [(before, after) for before, after in pairs if _is_mixed(before, after)]
    # One pass that changes sides moves the sum by a step, so the sums lie on a lattice of the steps' divisor.
    lattice = math.gcd(*(unit // after.total + unit // before.total for before, after in mixed))
    places = 2 * unit * len(mixed) // (lattice or 1)
    if places * sum(min(before.total, after.total) + 1 for before, after in pairs) > _EXACT_STEPS:
        return _normal_shuffle(mixed, observed, unit=unit, lattice=lattice)
    # How many choices lead to each sum, after one case more each time.
    ways: dict[int, int] = {0: 1}
    for before, after in pairs:
        grown: dict[int, int] = {}
        for passed, count in _hypergeometric(before, after):
            step = _points(before, after, passed, unit=unit)
            for total, chances in ways.items():
                grown[total + step] = grown.get(total + step, 0) + chances * count
        ways = grown
    return _tails(ways, observed)


def stricter(first: Tails, second: Tails) -> Tails:
    """Return the larger p-value in each direction: valid wherever one of the two tests is."""
    return Tails(
        less=max(first.less, second.less),
        greater=max(first.greater, second.greater),
        point=min(first.point, second.point),
    )


def fisher(first: Rate, second: Rate) -> Tails:
    """Return Fisher's exact test of two rates: `less` for "the first rate is lower", `greater` for "higher".

    Given all passes, those of the first rate are hypergeometric (Fisher 1935, The Design of Experiments,
    chapter 2).
    """
    return _tails(dict(_hypergeometric(second, first)), first.passed)


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
    if exact:
        packed, whole = 1, 1 << count
        for weight in weights:
            packed += packed << (weight * lane)
    else:
        packed, whole = _rounded_counts(weights, lane), 1 << _PRECISION
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


def _rounded_counts(weights: list[int], lane: int) -> int:
    """Count with lanes of fixed width, halved `_HEADROOM` times at once; what leaves a lane is masked."""
    packed, top = 1 << _PRECISION, 0
    for start in range(0, len(weights), _HEADROOM):
        chunk = weights[start : start + _HEADROOM]
        for weight in chunk:
            packed += packed << (weight * lane)
        top += sum(chunk)
        packed = (packed >> len(chunk)) & _lane_mask(lane, top + 1)
    return packed


def _lane_mask(lane: int, lanes: int) -> int:
    """Return ones in the lowest `_PRECISION + 1` bits of each lane, by doubling."""
    mask, made = (1 << (_PRECISION + 1)) - 1, 1
    while made < lanes:
        mask |= mask << (made * lane)
        made *= 2
    return mask


def _tails(ways: dict[int, int], observed: int) -> Tails:
    """Return the tails of `observed` among values that each come about in so many ways."""
    whole = sum(ways.values())
    return Tails(
        less=Fraction(sum(count for value, count in ways.items() if value <= observed), whole),
        greater=Fraction(sum(count for value, count in ways.items() if value >= observed), whole),
        point=Fraction(ways[observed], whole),
    )


def _points(before: Rate, after: Rate, passed: int, *, unit: int) -> int:
    """Return the difference of the rates in units if `passed` of all passes were the candidate's."""
    rest = before.passed + after.passed - passed
    return passed * (unit // after.total) - rest * (unit // before.total)


def _hypergeometric(before: Rate, after: Rate) -> list[tuple[int, int]]:
    """Return how many of all passes may be those of `after`, each with its number of ways."""
    passes = before.passed + after.passed
    fewest, most = max(0, passes - before.total), min(passes, after.total)
    return [
        (passed, math.comb(after.total, passed) * math.comb(before.total, passes - passed))
        for passed in range(fewest, most + 1)
    ]


def _is_mixed(before: Rate, after: Rate) -> bool:
    """Return whether a shuffle can change anything: some of the samples passed, and some failed."""
    return 0 < before.passed + after.passed < before.total + after.total


def _normal_shuffle(pairs: Sequence[tuple[Rate, Rate]], observed: int, *, unit: int, lattice: int) -> Tails:
    """Use mean 0 and the variance of the hypergeometric counts of the mixed pairs, one at least.

    The continuity correction is half of the step from one possible sum to the next.
    """
    variance = 0.0
    for before, after in pairs:
        n, passes = before.total + after.total, before.passed + after.passed
        spread = after.total * before.total * passes * (n - passes) / (n * n * (n - 1))
        variance += spread * (unit / after.total + unit / before.total) ** 2
    scale = math.sqrt(variance)
    less = Fraction(normal_tail(-(observed + lattice / 2) / scale))
    greater = Fraction(normal_tail((observed - lattice / 2) / scale))
    return Tails(less=less, greater=greater, point=max(Fraction(0), less + greater - 1))
