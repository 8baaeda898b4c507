"""The gate's judgement of a run against what was accepted: which cases broke, and whether the run may pass.

Two stages share the false alarms that are allowed. The first is one exact test of all drops; only where it
finds nothing, fresh attempts tell a case that broke from one that was unlucky. See `regression`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from claude_run.verdict.basics import Rate, holm
from claude_run.verdict.regression import (
    LEAST_COVERED,
    MOST_FRESH,
    CaseAttempts,
    drop_p_value,
    failing,
    fresh_attempts,
    gain_p_value,
    rejects,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Test: TypeAlias = Callable[[Sequence[CaseAttempts]], float]

_CONFIRMS = 0.2
"""The share of the false alarms that confirming may cause: 1 of 5 %."""


class GateVerdict(StrEnum):
    """Of a run against what was accepted, the gravest first."""

    REGRESSED = "regressed"
    UNCLEAR = "unclear"
    IMPROVED = "improved"
    NO_REGRESSION = "no regression found"


class Standing(StrEnum):
    """What became of a case since it was accepted.

    `broke`: it was fine and fails always now, and not by chance. `unclear`: it looks like that, but nobody
    has shown it. `flaky`: it looked like that, and then a fresh attempt passed.
    """

    BROKE = "broke"
    UNCLEAR = "unclear"
    FLAKY = "flaky"
    WORSE = "worse"
    BETTER = "better"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """How a run is judged, fixed before it is played.

    `alpha`: in how many runs without a change the gate may be wrong. `most_fresh`: how many confirming
    attempts a case may have; with 0 there are none, and the test alone has the whole of `alpha`. Raises
    `ValueError` for a value outside its range.
    """

    alpha: float = 0.05
    most_fresh: int = MOST_FRESH

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:  # noqa: PLR2004 - beyond, a coin would do
            raise ValueError(f"alpha must be above 0 and below 0.5, got {self.alpha}")
        if not 0 <= self.most_fresh <= MOST_FRESH:
            raise ValueError(f"confirm must be between 0 and {MOST_FRESH}, got {self.most_fresh}")

    @property
    def test_level(self) -> float:
        """The level of the test over all cases: 4 of 5 %, or all where nothing can be confirmed."""
        return self.alpha * (1 - _CONFIRMS) if self.most_fresh else self.alpha

    def confirm_level(self, models: int) -> float:
        """Return the level that is left for confirming, for each of the models of a run."""
        return self.alpha * _CONFIRMS / models


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedCase:
    """A case that was accepted and was measured again: its attempts, and how its fresh attempts ended."""

    name: str
    model: str
    attempts: CaseAttempts
    fresh: Rate | None = None

    @property
    def drop(self) -> float:
        """How much less often it passes now, between -1 and 1; fresh attempts do not count."""
        return self.attempts.drop

    @property
    def covered(self) -> bool:
        """Whether enough attempts were accepted for the promise on false alarms to hold for it."""
        return self.attempts.accepted.total >= LEAST_COVERED


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTest:
    """The first stage, for the cases of one model: how likely such drops are where nothing has changed.

    `p_adjusted` is after Holm over the models of the run; `rejected` says whether it is at most `level`, and
    `spread` whether the test would have rejected without the cases that look broken: then all that got worse
    are blamed, and else only those. `p_better` is the same test of the gains. `failing` cases fail always now
    and did not before.
    """

    model: str
    p_value: float
    p_adjusted: float
    p_better: float
    level: float
    rejected: bool
    spread: bool
    failing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseJudgement:
    """A case with its standing. `needed` fresh attempts must all fail before it is called broken.

    That is 0 for a case that does not look broken, and None where even the most that are played would not
    tell: too many cases fail.
    """

    case: PairedCase
    standing: Standing
    needed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What all paired cases of a run come to: the verdict, a test for each model, each case in order."""

    verdict: GateVerdict
    tests: tuple[ModelTest, ...]
    cases: tuple[CaseJudgement, ...]


def judge_run(
    cases: Sequence[PairedCase], rules: GateRules, *, worse: Test = drop_p_value, better: Test = gain_p_value
) -> Judgement:
    """Judge the cases of a run, those of each model by themselves, as one family.

    Whoever simulates many runs may bring quicker tests of the drops and of the gains.
    """
    by_model: dict[str, list[PairedCase]] = {}
    for case in cases:
        by_model.setdefault(case.model, []).append(case)
    attempts = {model: [case.attempts for case in each] for model, each in by_model.items()}
    tests = _test(attempts, rules, worse=worse, better=better)
    rejected = any(test.rejected for test in tests.values())
    judged = tuple(_judge(case, tests[case.model], rules, models=len(tests), red=rejected) for case in cases)

    # The gravest thing that is known of any of them.
    standings = {each.standing for each in judged}
    gains = holm([test.p_better for test in tests.values()])
    if rejected or Standing.BROKE in standings:
        verdict = GateVerdict.REGRESSED
    elif Standing.UNCLEAR in standings:
        verdict = GateVerdict.UNCLEAR
    elif any(rejects(p_better, rules.alpha) for p_better in gains):
        verdict = GateVerdict.IMPROVED
    else:
        verdict = GateVerdict.NO_REGRESSION
    return Judgement(verdict=verdict, tests=tuple(tests.values()), cases=judged)


def fresh_wanted(judgement: Judgement, rules: GateRules) -> Mapping[str, int]:
    """Return how many more fresh attempts would tell of each case, by its name; only of those that are open.

    A case is closed by its first fresh attempt that passes. Nothing is open where the test has decided. Where
    too many cases fail to confirm any, all that may be played are wanted: they still clear a flaky one.
    """
    wanted: dict[str, int] = {}
    decided = any(test.rejected for test in judgement.tests)
    for each in judgement.cases if not decided else ():
        if each.standing is Standing.UNCLEAR:
            made = each.case.fresh.total if each.case.fresh else 0
            most = rules.most_fresh if each.needed is None else min(each.needed, rules.most_fresh)
            wanted[each.case.name] = most - made
    return {name: number for name, number in wanted.items() if number > 0}


def _test(
    attempts: Mapping[str, Sequence[CaseAttempts]], rules: GateRules, *, worse: Test, better: Test
) -> dict[str, ModelTest]:
    p_values = [worse(each) for each in attempts.values()]
    adjusted = holm(p_values)
    return {
        model: ModelTest(
            model=model,
            p_value=p_value,
            p_adjusted=p_adjusted,
            p_better=better(cases),
            level=rules.test_level,
            rejected=rejects(p_adjusted, rules.test_level),
            spread=rejects(p_adjusted, rules.test_level) and _is_spread(cases, rules, worse=worse),
            failing=failing(cases),
        )
        for (model, cases), p_value, p_adjusted in zip(attempts.items(), p_values, adjusted, strict=True)
    }


def _is_spread(cases: Sequence[CaseAttempts], rules: GateRules, *, worse: Test) -> bool:
    """Return whether there is a drop beyond chance apart from the cases that look broken."""
    others = [case for case in cases if not case.looks_broken]
    return len(others) == len(cases) or rejects(worse(others), rules.test_level)


def _judge(case: PairedCase, test: ModelTest, rules: GateRules, *, models: int, red: bool) -> CaseJudgement:
    """Judge one case; `red`: the test has found a regression already, so nothing of it is confirmed."""
    attempts = case.attempts
    if not attempts.looks_broken:
        standing = Standing.WORSE if case.drop > 0 else Standing.BETTER if case.drop < 0 else Standing.SAME
        return CaseJudgement(case=case, standing=standing, needed=0)
    needed = fresh_attempts(attempts.accepted.total, test.failing, level=rules.confirm_level(models))
    fresh = case.fresh
    if test.rejected:
        standing = Standing.BROKE
    elif fresh is not None and fresh.passed and not red:
        standing = Standing.FLAKY
    elif fresh is not None and needed is not None and fresh.total >= needed and not red:
        standing = Standing.BROKE
    else:
        standing = Standing.UNCLEAR
    return CaseJudgement(case=case, standing=standing, needed=needed)
