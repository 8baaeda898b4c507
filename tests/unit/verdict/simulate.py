"""How often the gate is wrong, and what it finds, over simulated suites whose truth is known.

Run it as `python -m tests.unit.verdict.simulate [--quick]`. Every comparison draws its cases anew, accepts a
run of them, plays another one, confirms what looks broken as the rule says, and counts what came of it. The
tables are Markdown; the same seed prints the same ones. The last is of `compare`, whose question is another.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.verdict.basics import Rate
from claude_run.verdict.gate import GateRules, GateVerdict, PairedCase, Standing, fresh_wanted, judge_run
from claude_run.verdict.intervals import wilson
from claude_run.verdict.regression import LEAST_COVERED, CaseAttempts
from tests.unit.verdict import simulate_compare
from tests.unit.verdict.study import CHANGES, DRIFTS, NULLS, PAIRS, SIZES, Attempts, Truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.verdict.gate import Judgement

ALPHA = 0.05
SEED = 20260101
AGAIN = 5
"""A cell of no change that is above alpha is played again, so many times as often and from another seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A suite, with so many accepted attempts against so many, compared so often."""

    truth: Truth
    pair: Attempts
    trials: int
    seed: int = SEED


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Of the comparisons of a cell: how many were red, named every broken case, or ended unclear.

    `extra` is the number of confirming attempts, all together.
    """

    trials: int
    red: int
    named: int
    unclear: int
    extra: int

    @property
    def rate(self) -> Rate:
        return Rate(passed=self.red, total=self.trials)

    def percent(self, count: int) -> float:
        return 100 * count / self.trials


def main(arguments: list[str]) -> None:
    """Print the tables of false alarms and power."""
    parser = argparse.ArgumentParser(description="Simulate verdicts and print Markdown tables.")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the trials")
    parser.add_argument("--trials", type=int, default=1000, help="comparisons per cell (default 1000)")
    options = parser.parse_args(arguments)
    trials = max(2, options.trials // 20) if options.quick else options.trials

    cells = [*null_cells(trials), *change_cells(trials // 2), *drift_cells(trials)]
    with multiprocessing.Pool(2) as pool:
        compared = pool.apply_async(simulate_compare.table, [trials])
        tallies = dict(zip(cells, pool.map(simulate, cells, chunksize=1), strict=True))
        above = [
            replace(cell, trials=AGAIN * cell.trials, seed=cell.seed + 1)
            for cell in null_cells(trials)
            if cell.pair[0] >= LEAST_COVERED and tallies[cell].rate.value > ALPHA
        ]
        again = dict(zip(above, pool.map(simulate, above, chunksize=1), strict=True))
        tables = [null_table(tallies), again_table(again), open_table(tallies), change_table(tallies)]
        sys.stdout.write("\n".join([*tables, drift_table(tallies), compared.get()]))


def null_cells(trials: int) -> list[Cell]:
    """Return the cells in which nothing has changed, by attempts and kind of suite, and then by size."""
    return [
        Cell(truth=Truth(label=f"{cases} cases, {rest}", cases=cases, rest=rest), pair=pair, trials=trials)
        for pair, rest in NULLS
        for cases in SIZES
    ]


def change_cells(trials: int) -> list[Cell]:
    """Return the cells of which something got worse, by what it is, and then by attempts."""
    return [Cell(truth=truth, pair=pair, trials=trials) for truth in CHANGES for pair in PAIRS]


def drift_cells(trials: int) -> list[Cell]:
    """Return the cells that move by themselves."""
    return [Cell(truth=truth, pair=pair, trials=trials) for truth in DRIFTS for pair in PAIRS]


def simulate(cell: Cell) -> Tally:
    """Compare as often as the cell asks for; the same cell gives the same tally."""
    source = random.Random(f"{cell.seed}/{cell.truth.label}/{cell.pair}")  # noqa: S311 - no secrets
    red = named = unclear = extra = 0
    for _ in range(cell.trials):
        rates = cell.truth.rates(source)
        judgement, played = _compare(rates, cell.pair, source)
        broken = {str(place) for place, (before, now) in enumerate(rates) if before and not now}
        blamed = {each.case.name for each in judgement.cases if each.standing is Standing.BROKE}
        red += judgement.verdict is GateVerdict.REGRESSED
        named += judgement.verdict is GateVerdict.REGRESSED and broken <= blamed
        unclear += judgement.verdict is GateVerdict.UNCLEAR
        extra += played
    return Tally(trials=cell.trials, red=red, named=named, unclear=unclear, extra=extra)


def null_table(tallies: Mapping[Cell, Tally]) -> str:
    """Return the table of false alarms, with intervals, and the study's figures in brackets."""
    lines = [
        f"{_trials(tallies)} comparisons per cell, seed {SEED}; % `regressed` [95 % interval] (study).",
        "",
        *_size_heading(),
    ]
    for (pair, rest), found in _null_rows(tallies):
        study = NULLS[pair, rest]
        shown = [f"{_with_interval(tally)} ({was:g})" for tally, was in zip(found, study, strict=True)]
        lines.append(f"| {_versus(pair)} | {rest} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def open_table(tallies: Mapping[Cell, Tally]) -> str:
    """Return how often an unchanged run ends unclear, and how many confirming attempts it has on average."""
    lines = [
        f"{_trials(tallies)} comparisons per cell; % `unclear`, and confirming attempts a run.",
        "",
        *_size_heading(),
    ]
    for (pair, rest), found in _null_rows(tallies):
        shown = [f"{tally.percent(tally.unclear):.1f}, +{tally.extra / tally.trials:.1f}" for tally in found]
        lines.append(f"| {_versus(pair)} | {rest} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def again_table(tallies: Mapping[Cell, Tally]) -> str:
    """Return what came of the cells that were above alpha, played again."""
    if not tallies:
        return "No cell of three or more accepted attempts was above 5 %.\n"
    lines = [
        f"The cells above 5 % again, {AGAIN} times as often, seed {SEED + 1}.",
        "",
        "| attempts | suite | `regressed` |",
        "|---|---|---|",
    ]
    lines += [
        f"| {_versus(cell.pair)} | {cell.truth.label} | {_with_interval(tally)} |"
        for cell, tally in tallies.items()
    ]
    return "\n".join(lines) + "\n"


def change_table(tallies: Mapping[Cell, Tally]) -> str:
    """Return the table of what is found, the study's figures in brackets."""
    trials = _of(next(iter(CHANGES)), tallies)[0].trials
    lines = [f"{trials} comparisons per cell; % `regressed`, with every broken case named (study).", ""]
    lines += _pair_heading("change")
    for truth, study in CHANGES.items():
        found = _of(truth, tallies)
        shown = [
            f"{tally.percent(tally.named):.0f}" + ("" if was is None else f" ({was})")
            for tally, was in zip(found, study, strict=True)
        ]
        lines.append(f"| {truth.label} | {' | '.join(shown)} |")
        if truth.changed and "1 of" in truth.label:
            extra = [f"{tally.extra / tally.trials:.1f}" for tally in found]
            lines.append(f"| ... extra attempts a run | {' | '.join(extra)} |")
    return "\n".join(lines) + "\n"


def drift_table(tallies: Mapping[Cell, Tally]) -> str:
    """Return how often suites are red that move by themselves."""
    lines = [f"{_of(DRIFTS[0], tallies)[0].trials} comparisons per cell; % `regressed`.", ""]
    lines += _pair_heading("suite")
    for truth in DRIFTS:
        shown = [f"{tally.percent(tally.red):.1f}" for tally in _of(truth, tallies)]
        lines.append(f"| {truth.label} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _compare(
    rates: Sequence[tuple[float, float]], pair: Attempts, source: random.Random
) -> tuple[Judgement, int]:
    """Accept, play, judge, confirm, and judge again; return also how many attempts confirmed."""
    accepted, attempts = pair
    cases = [
        PairedCase(
            name=str(place),
            model="model",
            attempts=CaseAttempts(accepted=_draw(before, accepted, source), now=_draw(now, attempts, source)),
        )
        for place, (before, now) in enumerate(rates)
    ]
    rules = GateRules(alpha=ALPHA)
    judgement = judge_run(cases, rules, better=lambda _: 1.0)
    wanted = fresh_wanted(judgement, rules)
    played = 0
    for name, most in wanted.items():
        place, passed, made = int(name), 0, 0
        while made < most and not passed:
            passed, made = int(source.random() < rates[place][1]), made + 1
        cases[place] = replace(cases[place], fresh=Rate(passed=passed, total=made))
        played += made
    return (judge_run(cases, rules, better=lambda _: 1.0) if wanted else judgement), played


def _draw(rate: float, attempts: int, source: random.Random) -> Rate:
    return Rate(passed=sum(source.random() < rate for _ in range(attempts)), total=attempts)


def _null_rows(
    tallies: Mapping[Cell, Tally],
) -> Iterator[tuple[tuple[Attempts, str], Sequence[Tally]]]:
    found = [tallies[cell] for cell in null_cells(_trials(tallies))]
    for row, key in enumerate(NULLS):
        yield key, found[row * len(SIZES) : (row + 1) * len(SIZES)]


def _trials(tallies: Mapping[Cell, Tally]) -> int:
    return next(iter(tallies)).trials


def _of(truth: Truth, tallies: Mapping[Cell, Tally]) -> list[Tally]:
    return [tally for cell, tally in tallies.items() if cell.truth == truth]


def _size_heading() -> list[str]:
    return [
        f"| attempts | suite | {' | '.join(f'n = {cases}' for cases in SIZES)} |",
        f"|---|---|{'---|' * len(SIZES)}",
    ]


def _pair_heading(first: str) -> list[str]:
    return [f"| {first} | {' | '.join(map(_versus, PAIRS))} |", f"|---|{'---|' * len(PAIRS)}"]


def _versus(pair: Attempts) -> str:
    return f"{pair[0]} v {pair[1]}"


def _with_interval(tally: Tally) -> str:
    interval = wilson(tally.rate)
    return f"{tally.percent(tally.red):.1f} [{100 * interval.lower:.1f}, {100 * interval.upper:.1f}]"


if __name__ == "__main__":
    main(sys.argv[1:])
