"""What the evidence could have shown, and how much more of it would decide an open verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.verdict.effect import ENOUGH_FOR_T
from claude_run.verdict.exact import fewest_changes
from claude_run.verdict.power import Goal, Noise, detectable_effect, required_cases, required_repeats
from claude_run.verdict.rational import as_decimal
from claude_run.verdict.rules import PValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.verdict.effect import Effect
    from claude_run.verdict.pairing import Pair
    from claude_run.verdict.rational import Rate
    from claude_run.verdict.rules import GateRules


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

    The drop is at least what the fewest changes of one attempt each amount to: the exact test sees nothing
    smaller. An open verdict is settled by telling the observed drop from the farther of "no drop" and "a
    drop of the margin".
    """
    fewest = fewest_changes(as_decimal(level), mid_p=rules.p_value is PValue.MID)
    goal = Goal(alpha=level, power=rules.power, sides=1)
    repeats = max(max(pair.baseline.total, pair.candidate.total) for pair in pairs)
    variance = effect.cases * effect.standard_error**2
    step = fewest / (effect.cases * repeats)
    drop = max(step, detectable_effect(effect.cases, Noise(between=variance), goal=goal))
    seen = drop if effect.units >= fewest and drop <= 1 else None
    distance = None if decided else _distance(float(-effect.difference), rules)
    if distance is None:
        return Outlook(fewest_changes=fewest, detectable_drop=seen)
    cases = required_cases(distance, Noise(between=variance), goal=goal)
    return Outlook(
        fewest_changes=fewest,
        detectable_drop=seen,
        cases_needed=max(cases, effect.cases + 1, _cases_for(fewest, effect)),
        repeats_needed=_repeats(pairs, effect, distance=distance, goal=goal),
    )


def _distance(drop: float, rules: GateRules) -> float | None:
    """Return how far the observed drop is from what evidence must exclude, None if none can settle it.

    Below `min_drop` only `unchanged` is left to reach; else the farther of 0 and the margin is the easier
    to exclude.
    """
    if 0 < drop < rules.min_drop:
        return rules.margin - drop if drop < rules.margin else None
    return max(abs(drop), abs(rules.margin - drop))


def _cases_for(units: int, effect: Effect) -> int:
    """Return the cases that hold this many units, at the observed number of cases per unit."""
    return -(-units * effect.cases // effect.units)


def _repeats(pairs: Sequence[Pair], effect: Effect, *, distance: float, goal: Goal) -> int | None:
    """Return the repeats per case that Eq. 9 asks for, more than there are; None when they cannot help.

    The variance of a case's difference is what its attempts add, s^2 / K, and what differs between cases.
    With few units the interval does not narrow with repeats, so only more cases help.
    """
    repeated = [pair for pair in pairs if min(pair.baseline.total, pair.candidate.total) > 1]
    within = sum(_attempt_variance(each) for pair in repeated for each in (pair.baseline, pair.candidate))
    if not within or effect.units < ENOUGH_FOR_T:
        return None
    within /= len(repeated)
    made = min(min(pair.baseline.total, pair.candidate.total) for pair in repeated)
    varies = len({pair.difference for pair in pairs}) > 1
    between = effect.cases * effect.standard_error**2 - within / made if varies else 0.0
    noise = Noise(between=max(0.0, between), within=within)
    needed = required_repeats(distance, noise, cases=effect.cases, goal=goal)
    return None if needed is None else max(needed, made + 1)


def _attempt_variance(rate: Rate) -> float:
    """Return the unbiased variance of one attempt, p (1 - p) K / (K - 1)."""
    return float(rate.value * (1 - rate.value)) * rate.total / (rate.total - 1)
