"""What a run against a baseline will catch, told before it is paid for: the gate's own rule, simulated.

The user has this baseline and no other: its counts are taken as they are, and only the run is drawn. The
promise of the gate, at most 5 % false alarms, is over the baseline as well as the run; after a lucky baseline
there are more of them, after one of perfect cases far fewer. This is the number for the run at hand.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.verdict.basics import Rate
from claude_run.verdict.gate import GateVerdict, PairedCase, Standing, fresh_wanted, judge_run
from claude_run.verdict.regression import CaseAttempts, near_drop_p_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.verdict.gate import GateRules, Judgement

SEEN = 0.8
"""A change counts as seen if so many of the runs are red for it."""

REPEATS = (1, 2, 3, 5, 10, 20)
"""The numbers of attempts per case that are tried."""

_DROPS = tuple(step / 20 for step in range(1, 21))  # of 5 points to 100
_SEED = 20260101
_DRAWN_CASES = 20_000  # of all simulated runs together, within these bounds: 400 runs of 50 cases
_LEAST_RUNS, _MOST_RUNS = 100, 400


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCase:
    """A case of a run to come: what was accepted of it, and how many attempts the run will make."""

    accepted: Rate
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What a run will see, as shares of runs between 0 and 1.

    `one_breaks`: one of the cases that were fine (at least four in five accepted attempts passed) fails
    always from now on, and the run is red and names it; None where no case was fine. `visible_drop`: the
    least loss of every case's pass rate that is seen in four of five runs, in steps of .05; None where not
    even the loss of everything is. Of the runs in which nothing has changed, `false_alarms` are red,
    `unclear` end as that, and `extra_attempts` confirming attempts are played in one of them on average.
    """

    one_breaks: float | None
    visible_drop: float | None
    false_alarms: float
    unclear: float
    extra_attempts: float


def power_of(planned: Mapping[str, Sequence[PlannedCase]], rules: GateRules) -> Power:
    """Return what a run of these cases will see, by the cases of each of its models.

    The same plan gives the same numbers; a share is known to about 2 points, of very large suites to 5.
    Raises `ValueError` where nothing is planned.
    """
    suite = _suite(planned)
    fine = [case for case in suite if case.was_fine]
    unchanged = list(_simulate(suite, rules))
    one_broken = list(_simulate(suite, rules, breakable=fine)) if fine else []
    visible = bisect_left(_DROPS, 1, key=lambda drop: _is_seen(suite, rules, drop=drop))
    return Power(
        one_breaks=sum(run.names_the_broken for run in one_broken) / len(one_broken) if fine else None,
        visible_drop=_DROPS[visible] if visible < len(_DROPS) else None,
        false_alarms=sum(run.is_red for run in unchanged) / len(unchanged),
        unclear=sum(run.judgement.verdict is GateVerdict.UNCLEAR for run in unchanged) / len(unchanged),
        extra_attempts=sum(run.extra_attempts for run in unchanged) / len(unchanged),
    )


def repeats_for_drop(
    planned: Mapping[str, Sequence[PlannedCase]], rules: GateRules, *, drop: float = 0.1
) -> int | None:
    """Return the fewest attempts of every case with which a drop of all cases is seen in four of five runs.

    None where not even 20 are enough: then the baseline is too short, or the suite too small. Raises
    `ValueError` where nothing is planned.
    """

    def enough(attempts: int) -> bool:
        again = {
            model: [replace(case, attempts=attempts) for case in cases] for model, cases in planned.items()
        }
        return _is_seen(_suite(again), rules, drop=drop)

    found = bisect_left(REPEATS, 1, key=enough)
    return REPEATS[found] if found < len(REPEATS) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A case with its true pass rate; `outcomes[k]` is the case with k passes in this run."""

    rate: float
    outcomes: tuple[PairedCase, ...]

    @property
    def was_fine(self) -> bool:
        return self.outcomes[0].attempts.looks_broken

    def play(self, source: random.Random, *, rate: float) -> PairedCase:
        return self.outcomes[sum(source.random() < rate for _ in self.outcomes[1:])]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A simulated run: what the gate says of it, after how many confirming attempts, and which case broke."""

    judgement: Judgement
    extra_attempts: int
    broken: PairedCase | None

    @property
    def is_red(self) -> bool:
        return self.judgement.verdict is GateVerdict.REGRESSED

    @property
    def names_the_broken(self) -> bool:
        named = {each.case.name for each in self.judgement.cases if each.standing is Standing.BROKE}
        return self.is_red and self.broken is not None and self.broken.name in named


def _suite(planned: Mapping[str, Sequence[PlannedCase]]) -> list[_Case]:
    """Return the cases with the rates that are taken for true.

    Three passes of three are no certainty. Each model's cases are shrunk towards their mean rate r by one
    attempt's worth: (b + r) / (K + 1), the mean of what is known of a rate that was Beta(r, 1 - r) before b
    of K attempts passed. That distribution has most of its weight at always and at never, as suites do. r
    itself has half a pass of one attempt added, so that it is never 0 or 1.
    """
    suite = []
    for model, cases in planned.items():
        passed, total = (sum(getattr(case.accepted, name) for case in cases) for name in ("passed", "total"))
        mean = (passed + 0.5) / (total + 1)
        for number, case in enumerate(cases):
            outcomes = tuple(
                PairedCase(
                    name=f"{model}/{number}",
                    model=model,
                    attempts=CaseAttempts(
                        accepted=case.accepted, now=Rate(passed=passes, total=case.attempts)
                    ),
                )
                for passes in range(case.attempts + 1)
            )
            rate = (case.accepted.passed + mean) / (case.accepted.total + 1)
            suite.append(_Case(rate=rate, outcomes=outcomes))
    if not suite:
        raise ValueError("there is no case to foresee anything of: none is planned that was accepted")
    return suite


def _is_seen(suite: Sequence[_Case], rules: GateRules, *, drop: float) -> bool:
    """Return whether at least four of five runs are red where every case loses so much."""
    needed = round(SEEN * _number_of_runs(suite))
    allowed = _number_of_runs(suite) - needed
    seen = missed = 0
    for run in _simulate(suite, rules, drop=drop):
        seen, missed = seen + run.is_red, missed + (not run.is_red)
        if seen >= needed or missed > allowed:
            break  # the others would change nothing
    return seen >= needed


def _simulate(
    suite: Sequence[_Case], rules: GateRules, *, drop: float = 0.0, breakable: Sequence[_Case] = ()
) -> Iterator[_Run]:
    """Play runs in which every case passes less often, or one of the breakable ones fails always.

    Each run has its own seed, so the same chance meets every drop: a larger one never has better luck.
    """
    for number in range(_number_of_runs(suite)):
        source = random.Random(_SEED + number)  # noqa: S311 - a simulation, no secret
        broken = source.choice(breakable) if breakable else None
        rates = [0.0 if case is broken else max(0.0, case.rate - drop) for case in suite]
        yield _play(suite, rates, rules, source=source, broken=broken)


def _play(
    suite: Sequence[_Case],
    rates: Sequence[float],
    rules: GateRules,
    *,
    source: random.Random,
    broken: _Case | None,
) -> _Run:
    cases = [case.play(source, rate=rate) for case, rate in zip(suite, rates, strict=True)]
    judgement = judge_run(cases, rules, worse=near_drop_p_value, better=_unread)
    wanted = fresh_wanted(judgement, rules)
    played = 0
    for place, case in enumerate(cases):
        if case.name in wanted:
            fresh = _confirm(wanted[case.name], rate=rates[place], source=source)
            cases[place] = replace(case, fresh=fresh)
            played += fresh.total
    if wanted:
        judgement = judge_run(cases, rules, worse=near_drop_p_value, better=_unread)
    return _Run(judgement=judgement, extra_attempts=played, broken=broken.outcomes[0] if broken else None)


def _confirm(attempts: int, *, rate: float, source: random.Random) -> Rate:
    """Play a case until it passes, or until so many attempts have failed."""
    for number in range(1, attempts + 1):
        if source.random() < rate:
            return Rate(passed=1, total=number)
    return Rate(passed=0, total=attempts)


def _unread(_: Sequence[CaseAttempts]) -> float:
    """Return that nothing got better: whether a simulated run has `improved` is not asked."""
    return 1.0


def _number_of_runs(suite: Sequence[_Case]) -> int:
    return max(_LEAST_RUNS, min(_MOST_RUNS, _DRAWN_CASES // len(suite)))
