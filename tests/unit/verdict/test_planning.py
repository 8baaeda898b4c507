"""Adjusted p-values, power, sequential levels and reliability."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.verdict.basics import benjamini_hochberg, holm
from claude_run.verdict.intervals import Method
from claude_run.verdict.outlook import Goal, Noise, detectable_effect, required_cases, required_repeats
from claude_run.verdict.reliability import RateVerdict, judge_rate, pass_all, pass_any, reliability
from claude_run.verdict.sequential import even_level, pocock_level
from tests.unit.verdict.builders import rate

P_VALUES = st.lists(st.fractions(0, 1, max_denominator=50), max_size=12)


@given(P_VALUES)
@settings(max_examples=30, deadline=None)
def test_adjusted_p_values_keep_their_order(p_values: list[Fraction]) -> None:
    """Raw <= Benjamini-Hochberg <= Holm <= Bonferroni, all at most 1, and the order of tests is kept."""
    stepped, stepped_up = holm(p_values), benjamini_hochberg(p_values)
    for raw, down, up in zip(p_values, stepped, stepped_up, strict=True):
        assert raw <= up <= down <= min(Fraction(1), raw * len(p_values))
    for adjusted in (stepped, stepped_up):
        order = sorted(range(len(p_values)), key=p_values.__getitem__)
        assert [adjusted[i] for i in order] == sorted(adjusted)


def test_a_family_of_one_or_none_is_left_alone() -> None:
    """One test needs no adjustment."""
    assert holm([0.03]) == benjamini_hochberg([0.03]) == [0.03]
    assert holm([]) == benjamini_hochberg([]) == []


@given(st.floats(0.02, 0.5), st.floats(0.01, 0.5), st.floats(0, 0.5), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_required_cases_and_detectable_effect_agree(
    effect: float, between: float, within: float, repeats: int
) -> None:
    """The cases asked for show the effect; one fewer does not."""
    noise = Noise(between=between, within=within)
    cases = required_cases(effect, noise, repeats=repeats)
    assert detectable_effect(cases, noise, repeats=repeats) <= effect * (1 + 1e-9)
    if cases > 1:
        assert detectable_effect(cases - 1, noise, repeats=repeats) >= effect * (1 - 1e-9)


def test_repeats_help_only_against_noise_within_cases() -> None:
    """Eq. 9 solved for the repeats: enough of them, or None when the cases themselves differ too much."""
    noise = Noise(between=0.01, within=0.4)
    repeats = required_repeats(0.1, noise, cases=30)
    assert repeats is not None
    assert detectable_effect(30, noise, repeats=repeats) <= 0.1
    assert detectable_effect(30, noise, repeats=repeats - 1) > 0.1
    assert required_repeats(0.01, noise, cases=30) is None


def test_one_sided_tests_see_more() -> None:
    """The same noise, one direction: a smaller effect is enough."""
    noise = Noise(between=0.1)
    assert detectable_effect(50, noise, goal=Goal(sides=1)) < detectable_effect(50, noise)


@pytest.mark.parametrize(
    ("looks", "sides", "level"),
    [
        (2, 2, 0.029386),
        (3, 2, 0.022052),
        (5, 2, 0.015815),
        (2, 1, 0.030367),
        (4, 1, 0.019346),
        (5, 1, 0.016932),
    ],
)
def test_pocock_levels(looks: int, sides: int, level: float) -> None:
    """The multivariate normal of scipy 1.17 gives the same bounds, one- and two-sided."""
    assert pocock_level(looks, sides=sides) == pytest.approx(level, abs=2e-6)


def test_more_looks_leave_less_for_each() -> None:
    """Pocock lies between Bonferroni and one look, and falls with every look."""
    levels = [pocock_level(looks, sides=1) for looks in range(1, 9)]
    assert levels[0] == 0.05
    assert levels == sorted(levels, reverse=True)
    assert all(level >= even_level(looks) for looks, level in enumerate(levels, start=1))


@pytest.mark.parametrize("level", [pocock_level, even_level])
def test_at_least_one_look(level: type) -> None:
    """No look, no level."""
    with pytest.raises(ValueError, match="at least 1, got 0"):
        level(0)


@given(st.integers(1, 7), st.data())
@settings(max_examples=40, deadline=None)
def test_pass_all_and_any_count_draws(total: int, data: st.DataObject) -> None:
    """Both are the share of all draws of k samples, counted one by one."""
    passed, k = data.draw(st.integers(0, total)), data.draw(st.integers(1, total))
    draws = list(combinations([1] * passed + [0] * (total - passed), k))
    assert pass_all(rate(passed, total), k) == Fraction(sum(map(all, draws)), len(draws))
    assert pass_any(rate(passed, total), k) == Fraction(sum(map(any, draws)), len(draws))


def test_reliability_averages_over_cases_with_enough_attempts() -> None:
    """A case with fewer than k samples cannot say; without any such case there is no number."""
    found = reliability([rate(2, 4), rate(4, 4), rate(1, 1)], 2)
    assert found is not None
    assert (found.cases, found.all_pass, found.any_passes) == (2, Fraction(7, 12), Fraction(11, 12))
    assert reliability([rate(1, 1)], 2) is None


@pytest.mark.parametrize("k", [0, 4])
def test_k_must_fit_the_attempts(k: int) -> None:
    """More draws than samples say nothing."""
    with pytest.raises(ValueError, match="3 samples"):
        pass_all(rate(2, 3), k)


@pytest.mark.parametrize(
    ("passed", "total", "required", "verdict"),
    [
        (30, 30, 0.8, RateVerdict.MET),
        (3, 30, 0.8, RateVerdict.MISSED),
        (3, 4, 0.8, RateVerdict.UNSURE),
        (29, 30, 1.0, RateVerdict.MISSED),
        (30, 30, 1.0, RateVerdict.UNSURE),
        (0, 4, 0.0, RateVerdict.MET),
    ],
)
def test_required_rates(passed: int, total: int, required: float, verdict: RateVerdict) -> None:
    """Sure only where the whole interval lies on one side."""
    assert judge_rate(rate(passed, total), required).verdict is verdict


def test_looking_often_asks_for_more() -> None:
    """With planned looks each uses the exact interval at its share of the level."""
    once, often = judge_rate(rate(30, 30), 0.88), judge_rate(rate(30, 30), 0.88, looks=5)
    assert (once.verdict, often.verdict) == (RateVerdict.MET, RateVerdict.UNSURE)
    assert often.interval.confidence == pytest.approx(0.99)
    assert often.interval.method is Method.CLOPPER_PEARSON
