"""What the page on verdicts says is what its tables say, and the tables are of the suites that are played."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from claude_run.verdict.basics import Rate, as_decimal
from claude_run.verdict.exact import fewest_changes
from claude_run.verdict.gate import GateRules, GateVerdict
from claude_run.verdict.regression import CaseAttempts, drop_p_value, fresh_attempts
from tests.docs.pages import ROOT
from tests.unit.verdict import simulate_compare
from tests.unit.verdict.simulate import SEED
from tests.unit.verdict.study import CHANGES, DRIFTS, NULLS, PAIRS, SIZES, Attempts

PAGE = (ROOT / "docs/explanation/verdicts.md").read_text(encoding="utf-8")
PROSE = " ".join(PAGE[: PAGE.index("## The tables")].split())
_CELL = re.compile(
    r"^(?P<rate>[\d.]+)(?: \[(?P<low>[\d.]+), (?P<high>[\d.]+)\])?(?: \((?P<study>[\d.]+)\))?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A cell of a table: what was seen, and what the study had found."""

    rate: float
    high: float | None
    study: float | None


def rows(heading: str) -> list[list[str]]:
    """Return the rows of all tables below a heading, without their first lines, cell by cell."""
    text = PAGE[PAGE.index(f"\n### {heading}") + 5 :]
    text = text[: text.find("\n### ")] if "\n### " in text else text
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def found(cell: str) -> Found:
    """Read a cell."""
    match = _CELL.match(cell)
    assert match is not None, cell
    high, study = (None if match[name] is None else float(match[name]) for name in ("high", "study"))
    return Found(rate=float(match["rate"]), high=high, study=study)


def versus(pair: Attempts) -> str:
    """Return how a pair of numbers of attempts is written."""
    return f"{pair[0]} v {pair[1]}"


NULL_ROWS = [row for row in rows("The gate, nothing changed: how often it is `regressed`") if " v " in row[0]]
NULL = {
    (row[0], row[1]): [found(cell) for cell in row[2:]] for row in NULL_ROWS if len(row) == 2 + len(SIZES)
}
AGAIN = [(row[0], row[1], found(row[2])) for row in NULL_ROWS if len(row) == 3]
OPEN = {
    (row[0], row[1]): [float(cell.split(",")[0]) for cell in row[2:]]
    for row in rows("The gate, nothing changed: how often it is `unclear`")
    if " v " in row[0]
}
CHANGED = {
    row[0]: [found(cell) for cell in row[1:]]
    for row in rows("The gate, something got worse")
    if row[0] != "change"
}
DRIFTED = {
    row[0]: [float(cell) for cell in row[1:]]
    for row in rows("The gate, each case drifts")
    if row[0] != "suite"
}
COMPARED = {row[0]: row[1:] for row in rows("`compare`") if row[0] != "suite"}
COVERED = [cell for (pair, _), cells in NULL.items() if pair != "1 v 1" for cell in cells]


def seen(label: str, pair: Attempts) -> Found:
    """Return how often a change was found."""
    return CHANGED[label][PAIRS.index(pair)]


def test_the_tables_are_of_the_suites_that_the_command_plays() -> None:
    """Every suite of `make simulate-verdicts` has its row, in order, from the seed that is the default."""
    keys = [(versus(pair), rest) for pair, rest in NULLS]
    assert list(NULL) == list(OPEN) == keys
    assert [label for label in CHANGED if not label.startswith("...")] == [truth.label for truth in CHANGES]
    assert list(DRIFTED) == [truth.label for truth in DRIFTS]
    assert list(COMPARED) == [suite.label for suite in simulate_compare.SUITES]
    assert PAGE.count(f"1000 comparisons per cell, seed {SEED}; ") == 2


def test_the_figures_in_brackets_are_those_of_the_study() -> None:
    """Cell by cell."""
    for (pair, rest), study in NULLS.items():
        assert [cell.study for cell in NULL[versus(pair), rest]] == list(study)
    for truth, study_of_change in CHANGES.items():
        assert [cell.study for cell in CHANGED[truth.label]] == list(study_of_change)


def test_the_words_and_the_limits_are_those_of_the_rule() -> None:
    """Each verdict has its row; alpha and the most fresh attempts are the defaults, 4 and 1 the shares."""
    for verdict in GateVerdict:
        assert f"| `{verdict}` | " in PAGE
    assert f"may be `regressed` | {GateRules().alpha:g} |" in PAGE
    assert f"at most, 0 to {GateRules().most_fresh} | {GateRules().most_fresh} |" in PAGE
    assert [round(100 * each) for each in (GateRules().test_level, GateRules().confirm_level(1))] == [4, 1]
    assert "four for the first, one for the second" in PROSE


def test_the_table_of_fresh_attempts_is_that_of_the_rule() -> None:
    """For 3, 5 and 10 accepted attempts, and so many cases that fail."""
    for accepted in (3, 5, 10):
        needed = [fresh_attempts(accepted, failing, level=0.01) for failing in (1, 2, 3, 5, 8)]
        shown = ["nobody can tell" if each is None else str(each) for each in needed]
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| {accepted} | "))
        assert row.replace(" fresh attempts", "") == f"| {accepted} | {' | '.join(shown)} |"


@pytest.mark.parametrize(
    ("broken", "accepted", "attempts", "said"),
    [(1, 3, 3, "exactly 5 %"), (2, 3, 3, "p = 0.25 %"), (1, 10, 2, "p = 1.5 %")],
)
def test_the_numbers_of_the_example(broken: int, accepted: int, attempts: int, said: str) -> None:
    """Of twenty cases that always passed, one or two fail always now."""
    always = Rate(passed=accepted, total=accepted)
    broke = CaseAttempts(accepted=always, now=Rate(passed=0, total=attempts))
    same = CaseAttempts(accepted=always, now=Rate(passed=attempts, total=attempts))
    p_value = drop_p_value([*[broke] * broken, *[same] * (20 - broken)])
    assert f"{100 * p_value:.2g} %" == said.split(maxsplit=1)[1].removeprefix("= ")
    assert said in PROSE
    assert fresh_attempts(3, 1, level=0.007) == 5  # at most .7 %, as it says


def test_what_is_not_promised_is_quoted_from_the_tables() -> None:
    """One accepted attempt, what ends unclear, half-right cases, small losses, and drift."""
    n20, n100 = SIZES.index(20), SIZES.index(100)
    flaky = NULL["1 v 1", "30 % flaky"]
    assert f"{flaky[n20].rate:g} % of the unchanged runs are `regressed`" in PROSE
    assert f"for 100 cases with 30, {flaky[n100].rate:g} %." in PROSE
    most = max(rate for (pair, _), cells in OPEN.items() if pair != "1 v 1" for rate in cells)
    assert most == OPEN["3 v 1", "Beta(.5, .5)"][n100]
    assert f"in the table below at most {most:g} % of the unchanged runs end so, of 100 cases with 3" in PROSE
    assert {rate for (pair, _), cells in OPEN.items() if pair.startswith("10 v") for rate in cells} == {0}
    assert "With ten accepted attempts none does" in PROSE
    was_flaky = [seen("1 goes from .9 to 0, rest .95", pair).rate for pair in ((3, 3), (10, 2))]
    assert f"in {was_flaky[0]:g} % of the runs with 3 attempts against 3, and in {was_flaky[1]:g} %" in PROSE
    half = seen("1 goes from 1 to .5, rest .95", (10, 3))
    assert f"in {half.rate:g} % of the runs if the others pass 95 %" in PROSE
    assert f"found in {seen('20 cases of .9 lose 10 points', (3, 3)).rate:g} % of the runs with 3" in PROSE
    assert f"20 points in {seen('20 cases of .9 lose 20 points', (3, 3)).rate:g} %" in PROSE
    drift = DRIFTED["50 cases, all .9, each moves by half a logit"]
    assert f"`regressed` in {drift[PAIRS.index((3, 3))]:g} % of the runs with 3" in PROSE
    assert f"in {drift[PAIRS.index((5, 5))]:g} % with 5 against 5" in PROSE


def test_the_sentence_on_false_alarms_says_what_the_table_says() -> None:
    """The number of cells, the mean, the most, and what came of those above 5 % that were played again."""
    above = [cell for cell in COVERED if cell.rate > 5]
    assert f"In the {len(COVERED)} cells with three or more accepted attempts" in PROSE
    mean = sum(cell.rate for cell in COVERED) / len(COVERED)
    assert f"{mean:.1f} % on average and {max(cell.rate for cell in COVERED):g} % at most" in PROSE
    assert len(AGAIN) == len(above)
    assert f"{ {5: 'Five'}[len(above)] } cells were above 5 % in 1,000 comparisons" in PROSE
    rates = [cell.rate for _, _, cell in AGAIN]
    red = [cell.rate + open_ for key, row in NULL.items() for cell, open_ in zip(row, OPEN[key], strict=True)]
    assert f"With those that ended `unclear` it is {max(red[: len(COVERED)]):.1f} % at most" in PROSE
    assert f"they came to {min(rates):g} to {max(rates):g} %" in PROSE


def test_the_sentences_on_what_is_found_say_what_the_table_says() -> None:
    """The least over all numbers of attempts, and the range."""
    one = [cell.rate for label, cells in CHANGED.items() if label.startswith("1 of 20") for cell in cells]
    assert f"in at least {min(one):g} % of the runs" in PROSE
    many = seen("1 of 100 breaks, rest .95", (3, 1))
    assert f"in {many.rate:g} %; the other runs were `unclear`" in PROSE
    for points in (20, 10):
        rates = [cell.rate for cell in CHANGED[f"20 cases of .9 lose {points} points"]]
        assert f"{min(rates):g} % (1 v 1) to {max(rates):g} % (10 v 3)" in PROSE


def test_the_numbers_on_compare() -> None:
    """The other tests' errors and powers are quoted from the table; five cases must get worse together."""
    z_most = max(float(row[1].split()[0]) for row in COMPARED.values())
    repeated = COMPARED["20 cases x 3"]
    assert f"in up to {z_most:.0f} % of comparisons" in PROSE
    assert f"finds a loss of 20 points in {float(repeated[5].split()[0]):.0f} % of comparisons" in PROSE
    assert f"the sign-flip test in {float(repeated[3].split()[0]):.0f} %" in PROSE
    assert fewest_changes(as_decimal(0.05)) == 5
    assert "At least five cases must get worse together" in PROSE
