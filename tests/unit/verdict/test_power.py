"""What a run will catch, told before it is played: the gate's rule, simulated on this baseline."""

from __future__ import annotations

import pytest

from claude_run.verdict.basics import Rate
from claude_run.verdict.gate import GateRules
from claude_run.verdict.power import PlannedCase, power_of, repeats_for_drop

RULES = GateRules()


def plan(*cases: tuple[int, int], attempts: int, model: str = "haiku") -> dict[str, list[PlannedCase]]:
    """Return a plan for one model, whose accepted counts are given as (passed, of)."""
    return {
        model: [
            PlannedCase(accepted=Rate(passed=passed, total=total), attempts=attempts)
            for passed, total in cases
        ]
    }


def flaky(number: int, attempts: int) -> list[tuple[int, int]]:
    """Return accepted counts of a suite in which some cases fail now and then, and one always."""
    rates = [1.0, 1.0, 0.7, 1.0, 0.4, 1.0, 1.0, 0.8, 1.0, 0.0]
    return [(round(rates[index % 10] * attempts), attempts) for index in range(number)]


def test_one_broken_case_beside_perfect_ones_is_seen() -> None:
    """Three attempts against three: the test is silent, fresh attempts find it, and no other is blamed."""
    power = power_of(plan(*[(3, 3)] * 20, attempts=3), RULES)
    assert power.one_breaks == 1.0
    assert power.false_alarms <= 0.01
    assert power.unclear == 0.0
    assert power.extra_attempts < 0.1


def test_one_attempt_on_each_side_is_enough_for_what_breaks_and_not_for_what_slips() -> None:
    """A case that fails always is confirmed; a drop of all cases must be large."""
    power = power_of(plan(*[(1, 1)] * 20, attempts=1), RULES)
    assert power.one_breaks == 1.0
    assert power.visible_drop is not None
    assert power.visible_drop >= 0.3


def test_the_same_plan_gives_the_same_numbers() -> None:
    """A dry run says the same today and tomorrow."""
    planned = plan(*flaky(5, 5), attempts=2)
    assert power_of(planned, RULES) == power_of(planned, RULES)


def test_more_attempts_see_no_less() -> None:
    """The visible drop shrinks with the attempts of the run, and with those of the baseline."""
    short, more, longer = (
        power_of(plan(*flaky(10, accepted), attempts=attempts), RULES).visible_drop or 2.0
        for accepted, attempts in ((5, 1), (5, 5), (20, 5))
    )
    assert short >= more >= longer
    assert short > longer


def test_the_fewest_repeats_for_a_drop() -> None:
    """They are a number that is enough; a larger drop needs no more; some suites are too small for any."""
    planned = plan(*[(10, 10)] * 20, attempts=1)
    ten, thirty = repeats_for_drop(planned, RULES), repeats_for_drop(planned, RULES, drop=0.3)
    assert ten is not None
    assert thirty is not None
    assert thirty <= ten
    enough = power_of(plan(*[(10, 10)] * 20, attempts=ten), RULES).visible_drop
    assert enough is not None
    assert enough <= 0.1
    assert repeats_for_drop(plan(*[(3, 3)] * 5, attempts=1), RULES) is None


def test_without_confirming_one_broken_case_may_stay_unseen() -> None:
    """One attempt against three: the test alone says nothing, and no fresh attempt is played."""
    alone = power_of(plan(*flaky(10, 3), attempts=1), GateRules(most_fresh=0))
    confirmed = power_of(plan(*flaky(10, 3), attempts=1), RULES)
    assert alone.one_breaks is not None
    assert confirmed.one_breaks is not None
    assert alone.one_breaks < 0.5 < confirmed.one_breaks
    assert alone.extra_attempts == 0.0
    assert alone.unclear > confirmed.unclear


def test_where_nothing_was_fine_nothing_can_break() -> None:
    """Cases that always failed cannot get worse, so there is no chance to tell and no drop to see."""
    power = power_of(plan(*[(0, 10)] * 5, attempts=3), RULES)
    assert power.one_breaks is None
    assert power.visible_drop is None


def test_each_model_is_a_family_of_its_own() -> None:
    """Two models share the false alarms; the case that breaks is one of either."""
    both = plan(*[(3, 3)] * 10, attempts=3) | plan(*[(3, 3)] * 10, attempts=3, model="opus")
    assert power_of(both, RULES).one_breaks == 1.0


def test_large_suites_are_told_as_well() -> None:
    """Six hundred cases: the formula takes the place of the exact sum where that would take too long."""
    power = power_of(plan(*flaky(600, 5), attempts=3), RULES)
    assert power.visible_drop == 0.05
    assert power.false_alarms <= 0.1


def test_nothing_planned_is_refused() -> None:
    """There is nothing to foresee."""
    with pytest.raises(ValueError, match="no case"):
        power_of({}, RULES)
    with pytest.raises(ValueError, match="no case"):
        repeats_for_drop({"haiku": []}, RULES)
