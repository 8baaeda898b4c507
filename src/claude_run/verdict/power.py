"""Before a run: the effect that it could show, and the cases or repeats that an effect would need.

The formulas are those of Miller 2024, "Adding Error Bars to Evals" (arXiv 2411.00640), Eq. 9 and 10. They
use the normal approximation and are for planning; the verdict itself is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from claude_run.verdict.special import normal_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Variances of a paired comparison, in squared score units.

    `between` is w^2 = Var(x_A) + Var(x_B) - 2 Cov(x_A, x_B) of the cases' true scores; `within` is
    s_A^2 + s_B^2, the mean variances of one attempt of a case in the two runs.
    """

    between: float
    within: float = 0.0

    def of_difference(self, repeats: int) -> float:
        """Return the variance of one case's difference of means over `repeats` attempts in each run."""
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
