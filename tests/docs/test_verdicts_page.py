"""What the page on verdicts says of its table is what the table says, and the table is of these suites."""

from __future__ import annotations

import re

from claude_run.verdict.basics import GateRules, Verdict, as_decimal
from claude_run.verdict.difference import judge
from claude_run.verdict.exact import fewest_changes
from claude_run.verdict.pairing import Observation, pair_runs
from tests.docs.pages import ROOT
from tests.unit.verdict.simulate import SEED, SUITES

PAGE = (ROOT / "docs/explanation/verdicts.md").read_text(encoding="utf-8")
_ROW = re.compile(
    r"^\| (?P<suite>\d+ cases x [^|]+) \| (?P<rate>[\d.]+) % \[(?P<low>[\d.]+), (?P<high>[\d.]+)\] \|"
    r" (?P<z>[\d.]+) % \| [^|]+ \| (?P<power>[\d.]+) % [^|]+\| [^|]+ \| (?P<mcnemar>[\d.]+) % \|$",
    re.MULTILINE,
)
ROWS = {row["suite"]: row for row in _ROW.finditer(PAGE)}


def test_the_table_is_of_the_suites_that_the_command_plays() -> None:
    """Every suite of `make simulate-verdicts` has its row, in order, from the seed that is the default."""
    assert list(ROWS) == [suite.label for suite in SUITES]
    assert f"1000 comparisons per cell, seed {SEED}; " in PAGE


def test_the_sentence_on_false_alarms_says_what_the_table_says() -> None:
    """The number of rows, the largest rate and the upper ends of the intervals are those of the table."""
    rates = [float(row["rate"]) for row in ROWS.values()]
    ends = [float(row["high"]) for row in ROWS.values()]
    above = {6: "six", 7: "seven"}[sum(end > 5 for end in ends)]

    assert max(rates) <= 5
    assert f"In each of the {len(ROWS)} rows" in PAGE
    assert f"the most is {max(rates)} %" in PAGE
    assert f"in {above} rows their upper end is above 5 %, up to {max(ends)} %" in PAGE


def test_the_numbers_of_the_text_are_in_the_table() -> None:
    """The other tests' errors, and where the gate is blind, are quoted from the table."""
    repeated, small = ROWS["20 cases x 3"], ROWS["5 cases x 1"]

    assert f"up to {int(max(float(row['z']) for row in ROWS.values()))} % of comparisons" in PAGE
    assert f"in {round(float(repeated['mcnemar']))} % of comparisons; the gate finds it in" in PAGE
    assert f"the gate finds it in {int(float(repeated['power']))} %" in PAGE
    assert f"drop in {small['power']} % of comparisons, with 20 cases in 4 groups never" in PAGE
    assert {ROWS[f"20 cases x {n}, groups of five"]["power"] for n in (1, 3, 10)} == {"0.0"}


def test_the_numbers_that_need_no_simulation() -> None:
    """Five changes for alpha, 35 steady cases for `unchanged`, 1.9 % for each of four looks."""
    assert fewest_changes(as_decimal(0.05)) == 5
    assert "at least five cases must get worse" in PAGE
    assert [_steady(34), _steady(35)] == [Verdict.INCONCLUSIVE, Verdict.UNCHANGED]
    assert "not one case of 34 moved" in PAGE
    assert f"each look tests at {100 * float(GateRules(looks=4).level):.1f} %" in PAGE


def _steady(cases: int) -> Verdict:
    run = [Observation(case=str(number), passed=True) for number in range(cases)]
    return judge(pair_runs(run, run)).verdict
