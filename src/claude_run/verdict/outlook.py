"""What the evidence could have shown, and how much more of it would decide an open verdict.

The formulas are those of Miller 2024, "Adding Error Bars to Evals" (arXiv 2411.00640), Eq. 9 and 10. They
use the normal approximation and are for planning; the verdict itself is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.verdict.basics import PValue, as_decimal
from claude_run.verdict.effect import ENOUGH_FOR_T
from claude_run.verdict.exact import fewest_changes
from claude_run.verdict.special import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.verdict.basics import GateRules
    from claude_run.verdict.effect import Effect
    from claude_run.verdict.pairing import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """`fewest_changes`: units that must get worse together before the gate can fire at all.

    `detectable_drop`: the drop that this comparison would have seen with the rules' power, at most 1; None
    when it could not have seen any. The other two are for an inconclusive verdict: `cases_needed` in all
    with these repeats, `repeats_needed` per case with these cases; None when it is decided, or when more of
    that kind would not help.
    """

    fewest_changes: int
    detectable_drop: float | None
    cases_needed: int | None = None
    repeats_needed: int | None = None


def look_ahead(
    pairs: Sequence[Pair], effect: Effect, *, rules: GateRules, decided: bool, level: float
) -> Outlook:
    """Plan from the observed noise by Miller's Eq. 9 and 10, one-sided at `level`.

    The drop is at least what the fewest changes of one sample each amount to: the exact test sees nothing
    smaller. An open verdict is settled by telling the observed drop from the farther of "no drop" and "a
    drop of the margin".
    """
    # What this comparison could have seen.
    fewest = fewest_changes(as_decimal(level), mid_p=rules.p_value is PValue.MID)
    goal = Goal(alpha=level, power=rules.power, sides=1)
    noise = Noise(between=effect.cases * effect.standard_error**2)
    repeats = max(max(pair.baseline.total, pair.candidate.total) for pair in pairs)
    drop = max(fewest / (effect.cases * repeats), detectable_effect(effect.cases, noise, goal=goal))
    seen = drop if effect.units >= fewest and drop <= 1 else None
    distance = None if decided else _distance(float(-effect.difference), rules)
    if distance is None:
        return Outlook(fewest_changes=fewest, detectable_drop=seen)
    # What would settle it: one case more at least, and the cases that hold the fewest units, at the observed
    # number of cases per unit.
    cases = required_cases(distance, noise, goal=goal)
    cases_for_units = -(-fewest * effect.cases // effect.units)
    return Outlook(
        fewest_changes=fewest,
        detectable_drop=seen,
        cases_needed=max(cases, effect.cases + 1, cases_for_units),
        repeats_needed=_repeats(pairs, effect, distance=distance, goal=goal),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Variances of a paired comparison, in squared score units.

    `between` is w^2 = Var(x_A) + Var(x_B) - 2 Cov(x_A, x_B) of the cases' true scores; `within` is
    s_A^2 + s_B^2, the mean variances of one sample of a case in the two runs.
    """

    between: float
    within: float = 0.0

    def of_difference(self, repeats: int) -> float:
        """Return the variance of one case's difference of means over `repeats` samples in each run."""
        return self.between + self.within / repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The test that is planned: level, power (chance to see the effect), one- or two-sided."""

    alpha: float = 0.05
    power: float = 0.8
    sides: int = 2

    @property
    def reach(self) -> float:
        """z_{alpha/sides} + z_beta: how many standard errors the effect must measure."""
        return normal_quantile(1 - self.alpha / self.sides) + normal_quantile(self.power)


def detectable_effect(cases: int, noise: Noise, *, repeats: int = 1, goal: Goal | None = None) -> float:
    """Return the minimum detectable effect, (z_a + z_b) sqrt((w^2 + s^2/K) / n): Miller's Eq. 10."""
    return (goal or Goal()).reach * math.sqrt(noise.of_difference(repeats) / cases)


def required_cases(effect: float, noise: Noise, *, repeats: int = 1, goal: Goal | None = None) -> int:
    """Return the least n that shows `effect`, (z_a + z_b)^2 (w^2 + s^2/K) / effect^2: Miller's Eq. 9."""
    reach = (goal or Goal()).reach
    return max(1, math.ceil(reach * reach * noise.of_difference(repeats) / (effect * effect)))


def required_repeats(effect: float, noise: Noise, *, cases: int, goal: Goal | None = None) -> int | None:
    """Return the least K that shows `effect` with these cases (Eq. 9 solved for K).

    None when no number of repeats can: the cases themselves differ too much, and only more cases help.
    """
    reach = (goal or Goal()).reach
    room = cases * effect * effect / (reach * reach) - noise.between
    return max(1, math.ceil(noise.within / room)) if room > 0 else None


def _distance(drop: float, rules: GateRules) -> float | None:
    """Return how far the observed drop is from what evidence must exclude, None if none can settle it.

    Below `min_drop` only `unchanged` is left to reach; else the farther of 0 and the margin is the easier
    to exclude.
    """
    if 0 < drop < rules.min_drop:
        return rules.margin - drop if drop < rules.margin else None
    return max(abs(drop), abs(rules.margin - drop))


def _repeats(pairs: Sequence[Pair], effect: Effect, *, distance: float, goal: Goal) -> int | None:
    """Return the repeats per case that Eq. 9 asks for, more than there are; None when they cannot help.

    The variance of a case's difference is what its samples add, s^2 / K, and what differs between cases.
    With few units the interval does not narrow with repeats, so only more cases help.
    """
    # Within cases: the mean of the unbiased variances of one sample, p (1 - p) K / (K - 1), in both runs.
    repeated = [pair for pair in pairs if min(pair.baseline.total, pair.candidate.total) > 1]
    rates = [rate for pair in repeated for rate in (pair.baseline, pair.candidate)]
    within = sum(float(each.value * (1 - each.value)) * each.total / (each.total - 1) for each in rates)
    if not within or effect.units < ENOUGH_FOR_T:
        return None
    within /= len(repeated)
    # Between cases: what is left of the observed variance, where there is any.
    made = min(min(pair.baseline.total, pair.candidate.total) for pair in repeated)
    varies = len({pair.difference for pair in pairs}) > 1
    between = effect.cases * effect.standard_error**2 - within / made if varies else 0.0
    noise = Noise(between=max(0.0, between), within=within)
    needed = required_repeats(distance, noise, cases=effect.cases, goal=goal)
    return None if needed is None else max(needed, made + 1)
