"""The exact tests against brute force, their symmetries, and sides with different numbers of samples."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations, product
from math import comb, lcm, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.verdict.basics import Rate, Verdict
from claude_run.verdict.difference import judge
from claude_run.verdict.exact import Tails, fewest_changes, fisher, label_shuffle, sign_flip, stricter
from claude_run.verdict.pairing import Observation, pair_runs
from tests.unit.verdict.builders import rate
from tests.unit.verdict.oracles import mid_two_sided, sign_test, two_sided

SCORES = st.fractions(min_value=-1, max_value=1, max_denominator=6)
RATES = st.integers(1, 7).flatmap(
    lambda total: st.integers(0, total).map(lambda passed: Rate(passed=passed, total=total))
)


def _enumerated(totals: list[Fraction]) -> Tails:
    observed = sum(totals)
    sums = [
        sum(sign * abs(t) for sign, t in zip(signs, totals, strict=True))
        for signs in product((-1, 1), repeat=len(totals))
    ]
    return Tails(
        less=Fraction(sum(each <= observed for each in sums), len(sums)),
        greater=Fraction(sum(each >= observed for each in sums), len(sums)),
        point=Fraction(sum(each == observed for each in sums), len(sums)),
    )


@given(st.lists(SCORES, max_size=8))
@settings(max_examples=40, deadline=None)
def test_sign_flip_equals_enumeration(differences: list[Fraction]) -> None:
    """The dynamic programme counts exactly what trying all sign assignments counts."""
    assert sign_flip(differences) == _enumerated(differences)


@given(st.lists(st.tuples(SCORES, st.sampled_from("abcd")), max_size=12))
@settings(max_examples=40, deadline=None)
def test_groups_flip_as_a_whole(labelled: list[tuple[Fraction, str]]) -> None:
    """With clusters the units are the sums of the clusters."""
    sums: dict[str, Fraction] = {}
    for difference, group in labelled:
        sums[group] = sums.get(group, Fraction(0)) + difference
    tails = sign_flip([each for each, _ in labelled], clusters=[group for _, group in labelled])
    assert tails == _enumerated(list(sums.values()))


@given(st.lists(SCORES, max_size=30))
@settings(max_examples=30, deadline=None)
def test_swapping_the_runs_swaps_the_tails(differences: list[Fraction]) -> None:
    """Turning all signs around exchanges `less` and `greater` and keeps the two-sided p."""
    tails, swapped = sign_flip(differences), sign_flip([-each for each in differences])
    assert (swapped.less, swapped.greater, swapped.point) == (tails.greater, tails.less, tails.point)
    assert two_sided(swapped) == two_sided(tails)
    assert tails.less + tails.greater == 1 + tails.point
    assert 0 < mid_two_sided(tails) <= 1


@given(st.lists(SCORES, min_size=1, max_size=15))
@settings(max_examples=30, deadline=None)
def test_a_larger_drop_never_looks_better(differences: list[Fraction]) -> None:
    """Turning one gain into a loss of the same size cannot raise the p of "worse"."""
    gains = [place for place, each in enumerate(differences) if each > 0]
    for place in gains[:3]:
        lower = [*differences[:place], -differences[place], *differences[place + 1 :]]
        assert sign_flip(lower).less <= sign_flip(differences).less


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 10))
@settings(max_examples=30, deadline=None)
def test_sign_flip_of_single_attempts_is_the_sign_test(worse: int, better: int, same: int) -> None:
    """For differences of -1, 0 and 1 both tests are one."""
    assert sign_flip([-1] * worse + [1] * better + [0] * same) == sign_test(worse, better)


def test_order_and_scale_do_not_matter() -> None:
    """Fractions, floats and whole numbers in any order give the same fraction."""
    thirds = [Fraction(1, 3), Fraction(-2, 3), Fraction(1), Fraction(1, 3)]
    assert sign_flip(thirds) == sign_flip([3, 1, -2, 1])
    assert sign_flip([0.5, -0.25]) == sign_flip([-1, 2])


def test_no_difference_is_no_evidence() -> None:
    """Without any change both tails are certain."""
    certain = Tails(less=Fraction(1), greater=Fraction(1), point=Fraction(1))
    assert sign_flip([]) == sign_flip([0, 0]) == certain
    assert two_sided(certain) == 1


def test_many_sums_are_counted_to_eighteen_digits() -> None:
    """Where whole counts would take seconds, probabilities of 96 bits still agree with the binomial."""
    worse, better = 280, 220
    wide = sign_flip([-101] * worse + [101] * better + [Fraction(1, 4)])
    # The last difference has almost no weight. It is a gain, so of the ties of all others those where it
    # turns into a loss are worse than what was seen: half of the ties leave the upper tail.
    plain = sign_test(worse, better)
    assert float(wide.less) == pytest.approx(float(plain.less), rel=1e-15)
    assert float(wide.greater) == pytest.approx(float(plain.mid_greater), rel=1e-15)


def test_differences_without_a_common_unit_are_rounded() -> None:
    """Primes as denominators: the p-value of the rounded statistic is close, and the tails still mirror."""
    primes = [97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151]
    awkward = [Fraction((-1) ** (place % 3) * (prime // 2), prime) for place, prime in enumerate(primes)]
    tails, exact = sign_flip(awkward), _enumerated(awkward)
    assert float(tails.less) == pytest.approx(float(exact.less), abs=0.002)
    swapped = sign_flip([-each for each in awkward])
    assert (swapped.less, swapped.greater) == (tails.greater, tails.less)


def test_rounded_p_values_never_reach_zero() -> None:
    """All of 600 awkward changes in one direction: p is 2^-600, not 0."""
    tails = sign_flip([-Fraction(1000 + place, 10**4 + 7) for place in range(600)])
    assert tails.less == Fraction(1, 2**600)
    assert tails.greater == 1


def test_clusters_must_fit() -> None:
    """A label is needed for each difference."""
    with pytest.raises(ValueError, match="zip"):
        sign_flip([1, 2], clusters=["a"])


@pytest.mark.parametrize(
    ("level", "mid_p", "changes"),
    [("0.05", False, 5), ("0.025", False, 6), ("0.05", True, 4), ("0.5", False, 1)],
)
def test_fewest_changes(level: str, mid_p: bool, changes: int) -> None:
    """Two-sided .05 (one-sided .025) takes six changes in one direction, one-sided .05 five, mid-p four."""
    assert fewest_changes(Fraction(level), mid_p=mid_p) == changes


@given(RATES, RATES)
@settings(max_examples=40, deadline=None)
def test_fisher_is_symmetric_and_its_tails_cover(first: Rate, second: Rate) -> None:
    """Swapping the rates swaps the tails; together they count the observed table twice."""
    test, swapped = fisher(first, second), fisher(second, first)
    assert (test.less, test.greater, test.point) == (swapped.greater, swapped.less, swapped.point)
    assert 1 < test.less + test.greater <= 2
    assert test.less + test.greater == 1 + test.point


def test_small_tables() -> None:
    """[[5, 1], [0, 4]] as scipy 1.17 computes Fisher's test of it, three ways."""
    test = fisher(rate(5, 5), rate(1, 5))
    assert (float(test.less), round(float(test.greater), 8)) == (1.0, 0.02380952)
    assert float(two_sided(test)) == pytest.approx(0.04761904761904762)


def test_five_changes_are_the_least_evidence() -> None:
    """The smallest p of m changes is 2^-m."""
    assert sign_flip([-1] * 5).less == Fraction(1, prod([2] * 5))
    assert float(sign_flip([-1] * 4).less) > 0.05


@st.composite
def _case(draw: st.DrawFn) -> tuple[Rate, Rate]:
    before, after = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return rate(draw(st.integers(0, before)), before), rate(draw(st.integers(0, after)), after)


def _by_hand(pairs: list[tuple[Rate, Rate]]) -> Tails:
    """Try every choice of which samples are the candidate's."""
    choices = []
    for before, after in pairs:
        samples = [1] * (before.passed + after.passed)
        samples += [0] * (before.total + after.total - len(samples))
        differences = []
        for chosen in combinations(range(len(samples)), after.total):
            mine = sum(samples[index] for index in chosen)
            differences.append(Fraction(mine, after.total) - Fraction(sum(samples) - mine, before.total))
        choices.append(differences)
    observed = sum(
        Fraction(after.passed, after.total) - Fraction(before.passed, before.total) for before, after in pairs
    )
    sums = [sum(each) for each in product(*choices)]
    return Tails(
        less=Fraction(sum(total <= observed for total in sums), len(sums)),
        greater=Fraction(sum(total >= observed for total in sums), len(sums)),
        point=Fraction(sum(total == observed for total in sums), len(sums)),
    )


@given(st.lists(_case(), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_it_equals_counting_every_shuffle(pairs: list[tuple[Rate, Rate]]) -> None:
    """The dynamic programme counts what brute force counts."""
    assert label_shuffle(pairs) == _by_hand(pairs)


def test_one_case_is_fishers_exact_test() -> None:
    """With one case the shuffle is the hypergeometric tail of Fisher's test."""
    before, after = rate(5, 5), rate(1, 5)
    assert label_shuffle([(before, after)]).less == fisher(after, before).less


def test_long_sums_are_nearly_normal() -> None:
    """Where the sum is taken as normal, its tail is that of shuffling by chance."""
    rng = random.Random(7)  # noqa: S311 - a seeded simulation
    pairs = [(rate(rng.randint(0, 3), 3), rate(rng.randint(0, 12), 12)) for _ in range(900)]
    observed = sum(after.passed / 12 - before.passed / 3 for before, after in pairs)
    below, trials = 0, 400
    for _ in range(trials):
        total = 0.0
        for before, after in pairs:
            passes = before.passed + after.passed
            mine = sum(rng.sample([1] * passes + [0] * (15 - passes), 12))
            total += mine / 12 - (passes - mine) / 3
        below += total <= observed
    assert float(label_shuffle(pairs).less) == pytest.approx(below / trials, abs=0.08)


def _counted(pairs: list[tuple[Rate, Rate]]) -> float:
    """Return P(T <= t) by adding up the hypergeometric chances case by case, in floats."""
    chances, observed = {0: 1.0}, 0
    for before, after in pairs:
        unit = lcm(20, 3)
        passes, n = before.passed + after.passed, before.total + after.total
        grown: dict[int, float] = {}
        for mine in range(max(0, passes - before.total), min(passes, after.total) + 1):
            step = mine * unit // after.total - (passes - mine) * unit // before.total
            chance = comb(after.total, mine) * comb(before.total, passes - mine) / comb(n, passes)
            for total, each in chances.items():
                grown[total + step] = grown.get(total + step, 0.0) + each * chance
        chances = grown
        observed += after.passed * unit // after.total - before.passed * unit // before.total
    return sum(chance for total, chance in chances.items() if total <= observed)


@pytest.mark.parametrize(("cases", "deviation"), [(200, 1e-9), (600, 0.03)])
def test_long_sums_agree_with_counting(cases: int, deviation: float) -> None:
    """Hundreds of cases are still counted; where the sum is taken as normal it is not far off.

    With half a unit of correction, instead of half a step of 23 units, the tail would be too small.
    """
    rng = random.Random(0)  # noqa: S311 - a seeded simulation
    pairs = [
        (
            rate(sum(rng.random() < 0.9 for _ in range(20)), 20),
            rate(sum(rng.random() < 0.89 for _ in range(3)), 3),
        )
        for _ in range(cases)
    ]
    assert float(label_shuffle(pairs).less) == pytest.approx(_counted(pairs), rel=deviation)


def test_the_stricter_of_two_tests_counts() -> None:
    """Each direction keeps its larger p-value."""
    first = Tails(less=Fraction(1, 2), greater=Fraction(3, 4), point=Fraction(1, 4))
    second = Tails(less=Fraction(2, 3), greater=Fraction(1, 2), point=Fraction(1, 6))
    assert stricter(first, second) == Tails(less=Fraction(2, 3), greater=Fraction(3, 4), point=Fraction(1, 6))


@pytest.mark.parametrize(("before", "after"), [(1, 10), (3, 12), (10, 1)])
def test_more_attempts_on_one_side_raise_no_false_alarms(before: int, after: int) -> None:
    """An unchanged flaky suite regresses in at most 5 % of comparisons, whatever the numbers of samples."""
    rng = random.Random(20261123)  # noqa: S311 - a seeded simulation
    alarms, trials = 0, 400
    for _ in range(trials):
        chances = [rng.choice([1.0, 0.95, 0.8, 0.5]) for _ in range(20)]
        runs = [
            [
                Observation(case=str(case), passed=rng.random() < chance)
                for case, chance in enumerate(chances)
                for _ in range(samples)
            ]
            for samples in (before, after)
        ]
        alarms += judge(pair_runs(*runs)).verdict is Verdict.REGRESSED
    assert alarms / trials <= 0.05
