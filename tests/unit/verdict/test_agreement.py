"""How well a judge agrees with people: kappa, its interval, and where neither is defined."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.verdict.agreement import agreement, cohen_kappa
from claude_run.verdict.intervals import wilson
from tests.unit.verdict.builders import rate

Z = 1.959963984540054


def labels(both: int, person: int, judge: int, neither: int) -> list[tuple[bool, bool]]:
    """Return pairs (person, judge): passed by both, by the person or the judge alone, by none."""
    return [
        *([(True, True)] * both),
        *([(True, False)] * person),
        *([(False, True)] * judge),
        *([(False, False)] * neither),
    ]


@pytest.mark.parametrize(
    ("table", "kappa", "error"),
    [
        # Kappa of the first three: Wikipedia, "Cohen's kappa"; all values: statsmodels 0.15.0, cohens_kappa.
        ((20, 5, 10, 15), 0.4, 0.12699606293110033),
        ((45, 15, 25, 15), 0.13043478260869554, 0.0986615376234396),
        ((25, 35, 5, 35), 0.25925925925925924, 0.07715973174444572),
        ((40, 3, 1, 56), 0.9179318834632745, 0.04016847130099524),
    ],
)
def test_published_tables(table: tuple[int, int, int, int], kappa: float, error: float) -> None:
    """Kappa and the large-sample standard error behind its interval."""
    found = agreement(labels(*table))
    assert found.kappa == pytest.approx(kappa, abs=1e-12)
    assert found.kappa_interval == pytest.approx((kappa - Z * error, kappa + Z * error), abs=1e-9)


def test_the_interval_ends_where_kappa_does() -> None:
    """Below -1 there is nothing; statsmodels goes on to -1.0045."""
    found = agreement(labels(1, 6, 7, 2))
    assert found.kappa == pytest.approx(-0.625)
    assert found.kappa_interval == pytest.approx((-1.0, -0.24550094048848103))


def test_confidence_widens_the_interval() -> None:
    """99 % are 2.576 standard errors."""
    found = agreement(labels(20, 5, 10, 15), confidence=0.99)
    assert found.kappa_interval == pytest.approx(
        (0.4 - 2.5758293 * 0.126996063, 0.4 + 2.5758293 * 0.126996063)
    )


def test_the_share_of_equal_labels_and_the_counts() -> None:
    """Agreement has Wilson's interval; the counts say which way the judge errs."""
    found = agreement(labels(20, 5, 10, 15))
    assert found.rate == rate(35, 50)
    assert found.rate_interval == wilson(rate(35, 50))
    assert found.counts == {(True, True): 20, (True, False): 5, (False, True): 10, (False, False): 15}


def test_kappa_is_not_defined_where_chance_alone_agrees_always() -> None:
    """All labels alike on both sides: agreement is whole and says nothing beyond chance."""
    for same in (labels(7, 0, 0, 0), labels(0, 0, 0, 7)):
        found = agreement(same)
        assert (found.rate, found.kappa, found.kappa_interval) == (rate(7, 7), None, None)


def test_a_judge_that_always_says_the_same_has_kappa_zero() -> None:
    """Nine of ten by luck is not an agreement beyond chance, and no interval of width zero is shown."""
    assert cohen_kappa(labels(9, 0, 1, 0)) == 0
    assert agreement(labels(9, 0, 1, 0)).kappa_interval is None


@pytest.mark.parametrize("table", [(1, 0, 0, 1), (7, 0, 0, 3), (1, 0, 0, 9), (333, 0, 0, 71)])
def test_a_judge_that_always_agrees_has_kappa_one_without_an_interval(
    table: tuple[int, int, int, int],
) -> None:
    """The large-sample error would be zero, and the interval a claim of certainty from a few labels."""
    found = agreement(labels(*table))
    assert (found.kappa, found.kappa_interval) == (1.0, None)
    assert found.rate_interval.lower < 1


def test_the_two_kinds_of_error_have_intervals_of_their_own() -> None:
    """Twenty of twenty right still leave room for errors: up to 28 % of ten (Newcombe 1998, 0 of 10)."""
    found = agreement(labels(10, 0, 0, 10))
    for error in (found.wrongly_passed, found.wrongly_failed):
        assert error is not None
        assert error.rate == rate(0, 10)
        assert round(error.interval.upper, 4) == 0.2775
    mixed = agreement(labels(20, 5, 10, 15))
    assert mixed.wrongly_passed is not None
    assert mixed.wrongly_failed is not None
    assert (mixed.wrongly_passed.rate, mixed.wrongly_failed.rate) == (rate(10, 25), rate(5, 25))
    assert agreement(labels(7, 1, 0, 0)).wrongly_passed is None


def test_without_labels_there_is_nothing_to_compare() -> None:
    """An empty list is the caller's mistake."""
    with pytest.raises(ValueError, match="no labels"):
        agreement([])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_kappa_is_symmetric_and_bounded(pairs: list[tuple[bool, bool]]) -> None:
    """Who is called the person does not matter, nor what is called a pass; the interval holds kappa."""
    found = agreement(pairs)
    swapped = agreement([(judge, person) for person, judge in pairs])
    turned = agreement([(not person, not judge) for person, judge in pairs])
    assert found.kappa == pytest.approx(swapped.kappa) == pytest.approx(turned.kappa)
    assert found.kappa_interval == pytest.approx(swapped.kappa_interval)
    if found.kappa is not None and found.kappa_interval is not None:
        low, high = found.kappa_interval
        assert -1 <= low <= found.kappa + 1e-12
        assert found.kappa - 1e-12 <= high <= 1
