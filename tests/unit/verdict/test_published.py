"""Published numbers that the statistics must reproduce, one test a row."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from claude_run.verdict.basics import benjamini_hochberg, holm
from claude_run.verdict.exact import fisher, sign_flip
from claude_run.verdict.intervals import (
    PairedTable,
    newcombe_paired,
    paired_t,
    standard_error,
    wilson,
)
from claude_run.verdict.special import t_tail
from tests.unit.verdict.builders import rate
from tests.unit.verdict.oracles import mid_two_sided, sign_test, two_sided

DARWIN = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]
BENJAMINI = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1.0),
]
SCORES = [1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 1]
GROUPS = list("000111223333")


@pytest.mark.parametrize(
    ("passed", "total", "limits"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (10, 10, (0.7225, 1.0)),
        (5, 5, (0.5655, 1.0)),
    ],
)
def test_wilson(passed: int, total: int, limits: tuple[float, float]) -> None:
    """Newcombe 1998, Stat Med 17:857, Table I, method 3, and two perfect scores by the formula."""
    interval = wilson(rate(passed, total))
    assert (round(interval.lower, 4), round(interval.upper, 4)) == limits


def test_newcombe_paired() -> None:
    """Cavo et al. 2012, in Fagerland, Lydersen, Laake 2017, chapter 8 (R package contingencytables)."""
    interval = newcombe_paired(PairedTable(both=59, first_only=6, second_only=16, neither=80))
    assert (round(interval.lower, 4), round(interval.upper, 4)) == (-0.1186, -0.0046)


def test_mcnemar_exact_and_mid_p() -> None:
    """Wikipedia, "McNemar's test": b = 6, c = 16."""
    for tails in (sign_flip([-1] * 6 + [1] * 16), sign_test(6, 16)):
        assert (round(float(two_sided(tails)), 4), round(float(mid_two_sided(tails)), 4)) == (0.0525, 0.0347)


def test_mcnemar_of_agresti() -> None:
    """Agresti, Categorical Data Analysis: approval ratings 794, 86, 150, 570."""
    for tails in (sign_flip([-1] * 86 + [1] * 150), sign_test(86, 150)):
        assert float(two_sided(tails)) == pytest.approx(3.716e-05, rel=2e-4)


def test_sign_test_of_nine() -> None:
    """Nine changes of nine in one direction: p = 1/256."""
    for tails in (sign_flip([-1] * 9), sign_test(9, 0)):
        assert two_sided(tails) == Fraction(1, 256)
        assert float(two_sided(tails)) == 0.00390625


@pytest.mark.parametrize(("worse", "better", "p"), [(5, 0, 0.0625), (8, 1, 0.0390625), (3, 1, 0.625)])
def test_sign_flip_is_mcnemar_for_single_attempts(worse: int, better: int, p: float) -> None:
    """With differences of -1, 0 and 1 the sign-flip test gives McNemar's exact p, both ways."""
    differences = [-1] * worse + [1] * better + [0] * 4
    assert float(two_sided(sign_flip(differences))) == p
    assert float(two_sided(sign_test(worse, better))) == p


def test_randomization_test_of_darwins_plants() -> None:
    """Fisher 1935, The Design of Experiments: 863 of 32,768 assignments in either tail."""
    tails = sign_flip(DARWIN)
    assert tails.greater == Fraction(863, 32768)
    assert two_sided(tails) == Fraction(1726, 32768)


def test_paired_t_of_darwins_plants() -> None:
    """Fisher 1935: t = 2.148 with 14 degrees of freedom, p = .0497; the interval as scipy 1.17 gives it."""
    error, interval = standard_error(DARWIN), paired_t(DARWIN)
    assert error is not None
    assert interval is not None
    t = sum(DARWIN) / len(DARWIN) / error
    assert (round(t, 3), round(2 * t_tail(t, 14), 4)) == (2.148, 0.0497)
    assert (interval.lower, interval.upper) == pytest.approx((0.03119331839297601, 41.835473348273695))


def test_fisher_of_the_lady_tasting_tea() -> None:
    """Fisher 1935, and R's fisher.test: [[3, 1], [1, 3]]."""
    test = fisher(rate(3, 4), rate(1, 4))
    assert (round(float(two_sided(test)), 4), round(float(test.greater), 4)) == (0.4857, 0.2429)


def test_holm() -> None:
    """Wikipedia, "Holm-Bonferroni method": the first and the fourth are rejected."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg() -> None:
    """Benjamini and Hochberg 1995: four rejections, Holm has three; digits of statsmodels 0.15."""
    adjusted = benjamini_hochberg(BENJAMINI)
    assert [round(p, 4) for p in adjusted[:5]] == [0.0015, 0.003, 0.0095, 0.0356, 0.0603]
    assert adjusted[5:] == pytest.approx(
        [
            0.0638571428571,
            0.0638571428571,
            0.0645,
            0.0765,
            0.486,
            0.581181818,
            0.714875,
            0.753230769,
            0.813214286,
            1,
        ]
    )
    assert sum(p <= 0.05 for p in adjusted) == 4
    assert sum(p <= 0.05 for p in holm(BENJAMINI)) == 3
    assert sum(15 * p <= 0.05 for p in BENJAMINI) == 3


def test_clustered_standard_error() -> None:
    """OLS of statsmodels 0.15 with clustered errors, without and with its small-sample correction."""
    assert standard_error(SCORES) == pytest.approx(0.1486470975026408)
    error = standard_error(SCORES, clusters=GROUPS)
    assert error is not None
    assert error == pytest.approx(0.21724755938240872)
    assert error * math.sqrt(3 / 4) == pytest.approx(0.18814190533533434)


@pytest.mark.parametrize(("first", "second", "p"), [((1, 5), (5, 5), 0.0238), ((0, 3), (3, 3), 0.05)])
def test_single_cases_have_little_power(first: tuple[int, int], second: tuple[int, int], p: float) -> None:
    """Fisher one-sided on repeats of one case: 5/5 against 1/5, 3/3 against 0/3."""
    assert round(float(fisher(rate(*first), rate(*second)).less), 4) == p
