"""The promises of the gate and of `compare`, on simulated suites: a few cells of the tables of the page."""

from __future__ import annotations

import random

import pytest

from claude_run.verdict.intervals import wilson
from tests.unit.verdict import simulate_compare
from tests.unit.verdict.simulate import ALPHA, Cell, main, simulate
from tests.unit.verdict.study import CHANGES, NULLS, PAIRS, SIZES, Attempts, Truth


@pytest.mark.parametrize(
    ("pair", "rest"), [((3, 1), "30 % flaky"), ((3, 3), "Beta(.5, .5)"), ((10, 2), "all .9")]
)
def test_an_unchanged_prompt_is_rarely_blamed(pair: Attempts, rest: str) -> None:
    """Twenty cases, 300 comparisons: the rate of false alarms is not surely above 5 %."""
    tally = simulate(Cell(truth=Truth(label=rest, cases=20, rest=rest), pair=pair, trials=300))
    assert wilson(tally.rate).lower <= ALPHA


@pytest.mark.parametrize("pair", [(1, 1), (3, 1), (3, 3), (10, 2)])
def test_a_case_that_breaks_is_found_and_named(pair: Attempts) -> None:
    """One of twenty fails always from now on, beside flaky ones: red, and it is named, nearly always."""
    truth = Truth(label="one broken", cases=20, rest="30 % flaky", changed=((1.0, 0.0),))
    tally = simulate(Cell(truth=truth, pair=pair, trials=60))
    assert tally.named >= 55
    assert tally.red + tally.unclear == tally.trials  # never green


def test_an_improvement_elsewhere_hides_nothing() -> None:
    """One case breaks and two get better."""
    truth = Truth(label="mixed", cases=20, rest="all .95", changed=((1.0, 0.0), (0.0, 1.0), (0.0, 1.0)))
    assert simulate(Cell(truth=truth, pair=(3, 3), trials=40)).named >= 38


def test_the_same_cell_gives_the_same_tally() -> None:
    """And another seed another one."""
    cell = Cell(truth=Truth(label="some", cases=20, rest="Beta(.5, .5)", drop=0.2), pair=(3, 3), trials=40)
    assert simulate(cell) == simulate(cell)
    other = Cell(truth=cell.truth, pair=cell.pair, trials=cell.trials, seed=1)
    assert simulate(cell) != simulate(other)


def test_suites_have_the_rates_of_their_names() -> None:
    """A third of the cases is flaky, a drop takes from every case, a drift goes both ways."""
    source = random.Random(1)  # noqa: S311 - no secrets
    flaky = Truth(label="", cases=20, rest="30 % flaky", changed=((1.0, 0.0),), drop=0.1).rates(source)
    assert flaky[0] == (1.0, 0.0)
    assert sum(before == 0.99 for before, _ in flaky) == 13
    assert all(now == pytest.approx(before - 0.1) for before, now in flaky[1:])
    drifting = {round(now, 3) for _, now in Truth(label="", cases=20, rest="all .9", drift=0.5).rates(source)}
    assert drifting == {0.845, 0.937}


def test_the_command_prints_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each kind of suite that has not changed, twice, and for each change."""
    main(["--trials", "2"])
    printed = capsys.readouterr().out
    assert printed.count("\n| 3 v 1 | all .9 | ") == 2
    assert all(f"\n| {truth.label} | " in printed for truth in CHANGES)
    assert "\n| 20 cases x 3, groups of five | " in printed


def test_the_study_has_a_figure_for_each_cell() -> None:
    """As many as there are sizes, or numbers of attempts."""
    assert {len(figures) for figures in NULLS.values()} == {len(SIZES)}
    assert {len(figures) for figures in CHANGES.values()} == {len(PAIRS)}


def test_compare_finds_a_planted_drop_and_blames_rarely() -> None:
    """Twenty points less are found far more often than McNemar's test on first samples finds them."""
    suite = simulate_compare.Suite(cases=20, repeats=3)
    unchanged = simulate_compare.simulate(suite, trials=100, drop=0.0)
    dropped = simulate_compare.simulate(suite, trials=60, drop=simulate_compare.DROP)
    assert wilson(unchanged.rate).lower <= ALPHA
    assert dropped.compared > max(36, 2 * dropped.mcnemar)
