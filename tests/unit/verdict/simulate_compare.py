"""How often `compare` is wrong, over simulated suites whose truth is known: a table for `simulate`.

Every comparison draws its cases anew: three quarters of them are steady (pass 95 %), the rest flaky (40 to
80 %); in flaky suites all are. Without a drop both runs are the same prompt; in clustered suites each group
of five then moves up or down by 15 points, as often up as down, which is no change on average (steady cases
pass 80 % there, to leave room). A planted drop takes 20 points from every case. The unpaired z-test counts
every sample as independent, McNemar's exact test reads the first sample of each case: both are what people
use without thinking. All tests are one-sided at .05.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from claude_run.verdict.basics import ComparisonRules, Rate, Verdict
from claude_run.verdict.difference import judge
from claude_run.verdict.intervals import wilson
from claude_run.verdict.pairing import Observation, Pairing, pair_runs
from claude_run.verdict.special import normal_tail
from tests.unit.verdict.oracles import sign_test

ALPHA = 0.05
DROP = 0.2
GROUP_SIZE = 5
GROUP_SHIFT = 0.15
SEED = 20260101


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A kind of suite: cases, samples per case and run, whether all are flaky or move in groups."""

    cases: int
    repeats: int
    flaky: bool = False
    clustered: bool = False

    @property
    def label(self) -> str:
        kind = ", groups of five" if self.clustered else ", all flaky" if self.flaky else ""
        return f"{self.cases} cases x {self.repeats}{kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Out of `trials` simulated comparisons, how often each test said "worse"."""

    trials: int
    compared: int
    unpaired: int
    mcnemar: int

    @property
    def rate(self) -> Rate:
        return Rate(passed=self.compared, total=self.trials)


SUITES = (
    *(
        Suite(cases=cases, repeats=repeats)
        for cases, repeats in ((5, 3), (20, 1), (20, 3), (20, 10), (100, 3))
    ),
    Suite(cases=20, repeats=3, flaky=True),
    *(Suite(cases=cases, repeats=3, clustered=True) for cases in (20, 100)),
)


def table(trials: int) -> str:
    """Return the Markdown table over all suites."""
    lines = [
        f"{trials} comparisons per cell, seed {SEED}; one-sided tests at {ALPHA}; [Wilson 95 % interval].",
        "",
        "| suite | false alarms: compare | z-test | McNemar | -20 points found: compare | z-test | McNemar |",
        "|---|---|---|---|---|---|---|",
    ]
    for suite in SUITES:
        null, drop = (simulate(suite, trials=trials, drop=each) for each in (0.0, DROP))
        cells = [_shown(null), _percent(null.unpaired, null), _percent(null.mcnemar, null)]
        cells += [_shown(drop), _percent(drop.unpaired, drop), _percent(drop.mcnemar, drop)]
        lines.append(f"| {suite.label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def simulate(suite: Suite, *, trials: int, drop: float) -> Tally:
    """Compare `trials` pairs of simulated runs, the candidate worse by `drop`."""
    source = random.Random(f"{SEED}/{suite.label}/{drop}")  # noqa: S311 - simulation, not secrets
    rules = ComparisonRules(alpha=ALPHA)
    compared = unpaired = mcnemar = 0
    for _ in range(trials):
        pairing = draw(suite, source, drop=drop)
        compared += judge(pairing, rules).verdict is Verdict.REGRESSED
        unpaired += _unpaired_p(pairing) <= ALPHA
        mcnemar += _mcnemar_p(pairing) <= ALPHA
    return Tally(trials=trials, compared=compared, unpaired=unpaired, mcnemar=mcnemar)


def draw(suite: Suite, source: random.Random, *, drop: float) -> Pairing:
    """Play a fresh suite twice, the second time with every case's chance to pass lowered by `drop`."""
    baseline: list[Observation] = []
    candidate: list[Observation] = []
    shift = 0.0
    for number in range(suite.cases):
        group = f"g{number // GROUP_SIZE}" if suite.clustered else None
        if suite.clustered and number % GROUP_SIZE == 0:
            shift = source.choice((-GROUP_SHIFT, GROUP_SHIFT))
        # In clustered suites the shift must fit above and below, so that it is as large up as down.
        steady = 0.95 - (GROUP_SHIFT if suite.clustered else 0)
        chance = source.uniform(0.4, 0.8) if suite.flaky or source.random() < 0.25 else steady
        after = chance + shift - drop
        for _ in range(suite.repeats):
            baseline.append(Observation(case=str(number), group=group, passed=source.random() < chance))
            candidate.append(Observation(case=str(number), group=group, passed=source.random() < after))
    return pair_runs(baseline, candidate)


def _unpaired_p(pairing: Pairing) -> float:
    """Return the one-sided p of the pooled two-proportion z-test over all samples."""
    samples = sum(pair.baseline.total for pair in pairing.pairs)
    before = sum(pair.baseline.passed for pair in pairing.pairs) / samples
    after = sum(pair.candidate.passed for pair in pairing.pairs) / samples
    pooled = (before + after) / 2
    error = math.sqrt(pooled * (1 - pooled) * 2 / samples)
    return normal_tail((before - after) / error) if error else 1.0


def _mcnemar_p(pairing: Pairing) -> float:
    """Return the one-sided p of the exact McNemar test over first samples."""
    firsts = [(pair.baseline_score.results[0], pair.candidate_score.results[0]) for pair in pairing.pairs]
    worse = sum(before and not after for before, after in firsts)
    better = sum(after and not before for before, after in firsts)
    return float(sign_test(worse, better).less)


def _shown(tally: Tally) -> str:
    interval = wilson(tally.rate)
    return f"{_percent(tally.compared, tally)} [{100 * interval.lower:.1f}, {100 * interval.upper:.1f}]"


def _percent(count: int, tally: Tally) -> str:
    return f"{100 * count / tally.trials:.1f} %"
