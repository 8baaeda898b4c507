"""Properties that every interval has, and where an interval does not exist."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.verdict.basics import Rate, as_decimal, common_units
from claude_run.verdict.intervals import (
    Method,
    PairedTable,
    newcombe_paired,
    paired_t,
    standard_error,
    wilson,
)

RATES = st.integers(1, 200).flatmap(
    lambda total: st.integers(0, total).map(lambda passed: Rate(passed=passed, total=total))
)
CONFIDENCES = st.sampled_from([0.8, 0.95, 0.99])
CELLS = st.tuples(*[st.integers(0, 40)] * 4).filter(any)


@given(RATES, CONFIDENCES)
@settings(max_examples=40, deadline=None)
def test_intervals_of_a_rate_hold_the_rate(rate: Rate, confidence: float) -> None:
    """They lie in [0, 1], hold the estimate, and are never points."""
    interval = wilson(rate, confidence=confidence)
    assert 0 <= interval.lower < interval.upper <= 1
    assert interval.lower <= rate.value <= interval.upper
    assert interval.confidence == confidence


@given(RATES, CONFIDENCES)
@settings(max_examples=30, deadline=None)
def test_intervals_of_a_rate_mirror(rate: Rate, confidence: float) -> None:
    """Counting failures in place of passes turns the interval around."""
    turned = Rate(passed=rate.total - rate.passed, total=rate.total)
    interval, mirror = wilson(rate, confidence=confidence), wilson(turned, confidence=confidence)
    assert (mirror.lower, mirror.upper) == pytest.approx((1 - interval.upper, 1 - interval.lower), abs=1e-12)


@given(RATES)
@settings(max_examples=30, deadline=None)
def test_more_confidence_widens(rate: Rate) -> None:
    """What holds the rate in 99 of 100 cases holds all that 95 of 100 do."""
    plain, surer = wilson(rate), wilson(rate, confidence=0.99)
    assert surer.lower <= plain.lower
    assert plain.upper <= surer.upper


@given(CELLS)
@settings(max_examples=40, deadline=None)
def test_newcombe_paired_holds_the_difference_and_swaps(cells: tuple[int, int, int, int]) -> None:
    """It holds p1 - p2, lies in [-1, 1] and has width, also where both runs agree; it turns with the runs."""
    both, first, second, neither = cells
    interval = newcombe_paired(PairedTable(both=both, first_only=first, second_only=second, neither=neither))
    swapped = newcombe_paired(PairedTable(both=both, first_only=second, second_only=first, neither=neither))
    assert -1 <= interval.lower < interval.upper <= 1
    assert interval.lower - 1e-12 <= (first - second) / sum(cells) <= interval.upper + 1e-12
    assert (swapped.lower, swapped.upper) == pytest.approx((-interval.upper, -interval.lower))


def test_perfect_agreement_still_has_width() -> None:
    """Twenty cases that agree in both runs do not prove that no case ever differs."""
    interval = newcombe_paired(PairedTable(both=10, first_only=0, second_only=0, neither=10))
    assert interval.upper - interval.lower > 0.05


def test_fractional_cells_are_counts_too() -> None:
    """Halving and doubling nothing: fractions give what whole numbers give."""
    whole = newcombe_paired(PairedTable(both=3, first_only=1, second_only=2, neither=4))
    fractions = newcombe_paired(
        PairedTable(both=Fraction(3), first_only=Fraction(2, 2), second_only=2.0, neither=Fraction(8, 2))
    )
    assert (whole.lower, whole.upper) == pytest.approx((fractions.lower, fractions.upper))


@given(st.lists(st.fractions(-1, 1, max_denominator=10), min_size=2, max_size=30))
@settings(max_examples=40, deadline=None)
def test_paired_t_holds_the_mean_or_does_not_exist(differences: list[Fraction]) -> None:
    """Without variation there is no t interval, rather than one without width."""
    interval = paired_t(differences)
    if len(set(differences)) == 1:
        assert interval is None
    else:
        assert interval is not None
        assert interval.lower < float(sum(differences) / len(differences)) < interval.upper
        assert interval.method is Method.PAIRED_T


def test_no_variation_is_exactly_none() -> None:
    """Thirds are added without rounding, so an equal change everywhere has an error of exactly 0."""
    assert standard_error([Fraction(1, 3)] * 7) == 0
    assert standard_error([0.1] * 7) == 0
    assert paired_t([0.1] * 7) is None


def test_one_unit_has_no_error() -> None:
    """One case, or one group that holds them all, says nothing about variation."""
    assert standard_error([0.5]) is None
    assert standard_error([0.5, 0.25], clusters=["a", "a"]) is None
    assert standard_error([]) is None
    assert paired_t([0.5]) is None


def test_clusters_widen_the_interval() -> None:
    """Cases that move together count as fewer."""
    scores, groups = [1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 1], "000111223333"
    plain, clustered = paired_t(scores), paired_t(scores, clusters=groups)
    assert plain is not None
    assert clustered is not None
    assert clustered.lower < plain.lower < plain.upper < clustered.upper
    assert clustered.method is Method.CLUSTERED_T
    alone = paired_t(scores, clusters=range(12))
    assert alone == plain


@pytest.mark.parametrize(("passed", "total"), [(1, 0), (-1, 5), (6, 5), (0, 0)])
def test_impossible_rates_are_refused(passed: int, total: int) -> None:
    """A rate says what is wrong with its counts."""
    with pytest.raises(ValueError, match=f"got {passed}/{total}"):
        Rate(passed=passed, total=total)


@pytest.mark.parametrize("cells", [(0, 0, 0, 0), (3, -1, 0, 0)])
def test_impossible_tables_are_refused(cells: tuple[int, int, int, int]) -> None:
    """A paired table needs counts."""
    both, first, second, neither = cells
    with pytest.raises(ValueError, match="paired table"):
        PairedTable(both=both, first_only=first, second_only=second, neither=neither)


def test_decimals_mean_what_they_say() -> None:
    """0.1 is one tenth, and mixed numbers share one denominator."""
    assert as_decimal(0.1) == Fraction(1, 10)
    assert as_decimal(Fraction(1, 3)) == Fraction(1, 3)
    assert common_units([Fraction(1, 3), 0.5, 2]) == ([2, 3, 12], 6)
