"""The promise of the gate, on simulated suites: false alarms at most as often as alpha."""

from __future__ import annotations

import pytest

from claude_run.verdict.intervals import wilson
from tests.unit.verdict.simulate import ALPHA, DROP, Suite, main, simulate


def test_an_unchanged_prompt_is_rarely_blamed() -> None:
    """Twenty cases by three with flaky replies: `regressed` in at most 5 % of the pairs of runs."""
    tally = simulate(Suite(cases=20, repeats=3), trials=400, drop=0.0)
    assert tally.gate <= ALPHA * tally.trials


@pytest.mark.parametrize(
    "suite", [Suite(cases=20, repeats=3, flaky=True), Suite(cases=30, repeats=2, clustered=True)]
)
def test_flaky_and_clustered_suites_keep_the_promise(suite: Suite) -> None:
    """The rate of false alarms is not surely above alpha."""
    tally = simulate(suite, trials=100, drop=0.0)
    assert wilson(tally.gate_rate).lower <= ALPHA


def test_a_planted_drop_is_found() -> None:
    """Twenty points less are found far more often than McNemar's test on first samples finds them."""
    tally = simulate(Suite(cases=20, repeats=3), trials=60, drop=DROP)
    assert tally.gate > 36
    assert tally.gate > 2 * tally.mcnemar


def test_the_command_prints_a_table_that_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    """One row a suite, the same for the same seed."""
    tables = []
    for _ in range(2):
        main(["--trials", "20", "--quick"])
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1]
    assert tables[0].count("\n| ") == 19
    assert "| 20 cases x 3, groups of five | " in tables[0]
