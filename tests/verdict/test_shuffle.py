"""The test for sides with different numbers of attempts."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.verdict.exact import Tails
from claude_run.verdict.gate import judge
from claude_run.verdict.pairing import Observation, pair_runs
from claude_run.verdict.rational import Rate
from claude_run.verdict.rules import Verdict
from claude_run.verdict.shuffle import label_shuffle, stricter
from claude_run.verdict.tables import fisher


def _rate(passed: int, total: int) -> Rate:
    return Rate(passed=passed, total=total)


@st.composite
def _case(draw: st.DrawFn) -> tuple[Rate, Rate]:
    before, after = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return _rate(draw(st.integers(0, before)), before), _rate(draw(st.integers(0, after)), after)


def _by_hand(pairs: list[tuple[Rate, Rate]]) -> Tails:
    """Try every choice of which attempts are the candidate's."""
    choices = []
    for before, after in pairs:
        attempts = [1] * (before.passed + after.passed)
        attempts += [0] * (before.total + after.total - len(attempts))
        differences = []
        for chosen in combinations(range(len(attempts)), after.total):
            mine = sum(attempts[index] for index in chosen)
            differences.append(Fraction(mine, after.total) - Fraction(sum(attempts) - mine, before.total))
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
    before, after = _rate(5, 5), _rate(1, 5)
    assert label_shuffle([(before, after)]).less == fisher(after, before).less


def test_long_sums_are_nearly_normal() -> None:
    """Where the sum is taken as normal, its tail is that of shuffling by chance."""
    rng = random.Random(7)  # noqa: S311 - a seeded simulation
    pairs = [(_rate(rng.randint(0, 3), 3), _rate(rng.randint(0, 12), 12)) for _ in range(900)]
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


def test_the_stricter_of_two_tests_counts() -> None:
    """Each direction keeps its larger p-value."""
    first = Tails(less=Fraction(1, 2), greater=Fraction(3, 4), point=Fraction(1, 4))
    second = Tails(less=Fraction(2, 3), greater=Fraction(1, 2), point=Fraction(1, 6))
    assert stricter(first, second) == Tails(less=Fraction(2, 3), greater=Fraction(3, 4), point=Fraction(1, 6))


@pytest.mark.parametrize(("before", "after"), [(1, 10), (3, 12), (10, 1)])
def test_more_attempts_on_one_side_raise_no_false_alarms(before: int, after: int) -> None:
    """An unchanged flaky suite regresses in at most 5 % of comparisons, whatever the numbers of attempts."""
    rng = random.Random(20261123)  # noqa: S311 - a seeded simulation
    alarms, trials = 0, 400
    for _ in range(trials):
        chances = [rng.choice([1.0, 0.95, 0.8, 0.5]) for _ in range(20)]
        runs = [
            [
                Observation(case=str(case), passed=rng.random() < chance)
                for case, chance in enumerate(chances)
                for _ in range(attempts)
            ]
            for attempts in (before, after)
        ]
        alarms += judge(pair_runs(*runs)).verdict is Verdict.REGRESSED
    assert alarms / trials <= 0.05
