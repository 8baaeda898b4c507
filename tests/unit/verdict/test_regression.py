"""The rule of the gate: an exact test over all cases, and how many fresh attempts confirm a broken one."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.verdict.basics import Rate
from claude_run.verdict.regression import (
    CaseAttempts,
    drop_p_value,
    failing,
    fresh_attempts,
    gain_p_value,
    near_drop_p_value,
    rejects,
    sure_passes,
    weigh,
)


def attempts(passed: int, accepted: int, now_passed: int, now: int) -> CaseAttempts:
    """Return a case with so many accepted passes, and so many in this run."""
    return CaseAttempts(accepted=Rate(passed=passed, total=accepted), now=Rate(passed=now_passed, total=now))


@st.composite
def small_cases(draw: st.DrawFn) -> CaseAttempts:
    """Return a case of few attempts, whose numbers may differ."""
    accepted, now = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return attempts(draw(st.integers(0, accepted)), accepted, draw(st.integers(0, now)), now)


def brute_force(cases: list[CaseAttempts]) -> Fraction:
    """Deal the attempts of every case to the two sides in every way, one by one, and count the heavy ones."""
    deals = []
    for case in cases:
        outcomes = [1] * (case.accepted.passed + case.now.passed)
        outcomes += [0] * (case.accepted.total + case.now.total - len(outcomes))
        places = itertools.combinations(range(len(outcomes)), case.now.total)
        weights = []
        for mine in places:
            now = Fraction(sum(outcomes[place] for place in mine), case.now.total)
            before = Fraction(sum(outcomes) - sum(outcomes[place] for place in mine), case.accepted.total)
            weights.append(weigh(float(before - now)))
        deals.append(weights)
    observed = sum(weigh(float(case.accepted.value - case.now.value)) for case in cases)
    totals = [sum(deal) for deal in itertools.product(*deals)]
    return Fraction(sum(total >= observed for total in totals), len(totals))


@given(st.lists(small_cases(), min_size=1, max_size=3))
def test_the_p_value_is_that_of_all_deals(cases: list[CaseAttempts]) -> None:
    """Convolution gives what counting gives, to the last digits of a float."""
    assert drop_p_value(cases) == pytest.approx(float(brute_force(cases)), rel=1e-12, abs=1e-13)


@given(st.lists(small_cases(), min_size=1, max_size=6))
def test_an_improvement_pays_for_nothing(cases: list[CaseAttempts]) -> None:
    """A case that got better, or that cannot have changed, never makes the others look less broken."""
    better = attempts(0, 3, 3, 3)
    assert drop_p_value([*cases, attempts(3, 3, 3, 3)]) == drop_p_value(cases)
    assert failing([*cases, better]) == failing(cases)


@given(st.lists(small_cases(), min_size=1, max_size=6))
def test_gains_are_tested_as_drops_are(cases: list[CaseAttempts]) -> None:
    """What was accepted and what came change places."""
    swapped = [CaseAttempts(accepted=case.now, now=case.accepted) for case in cases]
    assert gain_p_value(cases) == drop_p_value(swapped)
    assert near_drop_p_value(cases) == drop_p_value(cases)  # few cases are added up exactly


@pytest.mark.parametrize("worse", [65, 75, 85])
def test_the_formula_for_large_suites_is_near_the_exact_sum(worse: int) -> None:
    """Three hundred cases that vary: half a percentage point at most, wherever the p-value matters."""
    cases = [attempts(3, 3, 1, 3)] * worse + [attempts(2, 3, 2, 3)] * 240
    exact = drop_p_value(cases)
    assert 0.001 < exact < 0.5
    assert near_drop_p_value(cases) != exact
    assert near_drop_p_value(cases) == pytest.approx(exact, abs=0.005)


@pytest.mark.parametrize(
    ("drop", "weight"), [(-1.0, 0), (0.0, 0), (0.1, 3), (0.25, 12), (1 / 3, 19), (0.5, 35), (1.0, 100)]
)
def test_large_drops_weigh_more_than_many_small_ones(drop: float, weight: int) -> None:
    """100 x drop^1.5, and nothing for what got better."""
    assert weigh(drop) == weight


def test_one_broken_case_of_twenty_is_exactly_one_in_twenty() -> None:
    """3 of 3 that become 0 of 3 beside perfect cases: at 5 % that rejects, at 4 % it does not."""
    p_value = drop_p_value([attempts(3, 3, 0, 3), *[attempts(3, 3, 3, 3)] * 19])
    assert p_value == pytest.approx(1 / 20, rel=1e-12)
    assert rejects(p_value, 0.05)
    assert not rejects(p_value, 0.04)


@pytest.mark.parametrize("accepted", [1, 2, 3, 4, 5, 10])
def test_four_in_five_is_sure(accepted: int) -> None:
    """In whole numbers: 3 of 3, 4 of 5, 8 of 10."""
    assert sure_passes(accepted) == math.ceil(Fraction(4, 5) * accepted)
    assert attempts(sure_passes(accepted), accepted, 0, 3).looks_broken
    assert not attempts(sure_passes(accepted) - 1, accepted, 0, 3).looks_broken
    assert not attempts(accepted, accepted, 1, 3).looks_broken


@pytest.mark.parametrize(
    ("accepted", "needed"),
    [
        (1, [6, 6, 6, 6, 6, 6, 6, 6]),
        (2, [6, 6, 6, 6, 6, 6, 6, 6]),
        (3, [5, 6, 8, 9, 10, None, None, None]),
        (4, [3, 4, 5, 5, 6, 6, 7, 7]),
        (5, [5, 6, 7, 8, 9, 9, 10, None]),
        (10, [4, 4, 5, 5, 5, 6, 6, 6]),
    ],
)
def test_so_many_fresh_attempts_confirm(accepted: int, needed: list[int | None]) -> None:
    """More where more cases fail; none where even ten would not tell."""
    assert [fresh_attempts(accepted, number, level=0.01) for number in (1, 2, 3, 4, 5, 6, 8, 10)] == needed
