"""Two runs side by side: samples counted, cases paired by their key, what has no partner named."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_run.verdict.basics import Rate

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable


class Metric(StrEnum):
    """What is compared beside passing; the values are the names of `Observation`'s fields."""

    COST_USD = "cost_usd"
    LATENCY_S = "latency_s"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    OUTPUT_CHARS = "output_chars"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One sample at one case.

    `case` is the key that pairs runs: everything that identifies the conversation but the model, the variant
    and the repeat. `passed` is None when the sample could not be measured: such a sample is counted,
    never scored. `group` names a cluster of cases that rise and fall together. Metrics are in US dollars,
    seconds, tokens and characters; None is "not known", never 0. Raises `ValueError` for a metric that is
    not finite.
    """

    case: str
    passed: bool | None
    group: str | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    output_chars: int | None = None

    def __post_init__(self) -> None:
        for metric in Metric:
            value = self.metric(metric)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{metric} of case {self.case!r} is {value}: give a finite number, or None")

    def metric(self, metric: Metric) -> float | None:
        value: float | None = getattr(self, metric)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScore:
    """All samples of one run at one case. `measured` holds those with a result, in the order of the run."""

    case: str
    group: str | None
    samples: int
    measured: tuple[Observation, ...]
    passed: int

    @property
    def rate(self) -> Rate | None:
        """Passes out of measured samples; None when nothing was measured."""
        return Rate(passed=self.passed, total=len(self.measured)) if self.measured else None

    def mean(self, metric: Metric) -> Fraction | None:
        """Return the exact mean of a metric over the measured samples that know it; None when none does."""
        known = [value for each in self.measured if (value := each.metric(metric)) is not None]
        return sum(map(Fraction, known), Fraction(0)) / len(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One case that both runs measured."""

    case: str
    group: str | None
    baseline: Rate
    candidate: Rate
    baseline_score: CaseScore
    candidate_score: CaseScore

    @property
    def difference(self) -> Fraction:
        """Candidate minus baseline, between -1 and 1: negative is worse."""
        return self.candidate.value - self.baseline.value

    @property
    def cluster(self) -> Hashable:
        """What flips as a whole: the group, or the case itself where it has none."""
        return (self.group is None, self.case if self.group is None else self.group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """The pairs in the baseline's order, and the keys without a partner.

    `unmeasured` are the cases that both runs attempted and at least one never measured; `lost_attempts`
    counts the samples without a result, of all cases of both runs.
    """

    pairs: tuple[Pair, ...]
    baseline_only: tuple[str, ...] = ()
    candidate_only: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    lost_samples: int = 0


def pair_runs(baseline: Iterable[Observation], candidate: Iterable[Observation]) -> Pairing:
    """Pair the samples of two runs by case. Where the runs name different groups, the candidate's counts.

    Raises `ValueError` when one run puts a case into two groups.
    """
    before = {score.case: score for score in score_cases(baseline)}
    after = {score.case: score for score in score_cases(candidate)}
    pairs: list[Pair] = []
    unmeasured: list[str] = []
    for case in (case for case in before if case in after):
        first, second = before[case], after[case]
        baseline_rate, candidate_rate = first.rate, second.rate
        if baseline_rate is None or candidate_rate is None:
            unmeasured.append(case)
            continue
        pair = Pair(
            case=case,
            group=second.group if second.group is not None else first.group,
            baseline=baseline_rate,
            candidate=candidate_rate,
            baseline_score=first,
            candidate_score=second,
        )
        pairs.append(pair)
    return Pairing(
        pairs=tuple(pairs),
        baseline_only=tuple(case for case in before if case not in after),
        candidate_only=tuple(case for case in after if case not in before),
        unmeasured=tuple(unmeasured),
        lost_samples=sum(
            score.samples - len(score.measured) for run in (before, after) for score in run.values()
        ),
    )


def score_cases(observations: Iterable[Observation]) -> tuple[CaseScore, ...]:
    """Gather the samples of one run by case, in order of first appearance.

    Raises `ValueError` when a case stands in two groups.
    """
    by_case: dict[str, list[Observation]] = {}
    for observation in observations:
        by_case.setdefault(observation.case, []).append(observation)
    scores: list[CaseScore] = []
    for case, samples in by_case.items():
        groups = {sample.group for sample in samples}
        if len(groups) > 1:
            named = ", ".join(sorted(map(repr, groups)))
            raise ValueError(
                f"case {case!r} stands in several groups of one run ({named}): give it one group"
            )
        measured = tuple(sample for sample in samples if sample.passed is not None)
        score = CaseScore(
            case=case,
            group=groups.pop(),
            samples=len(samples),
            measured=measured,
            passed=sum(1 for sample in measured if sample.passed),
        )
        scores.append(score)
    return tuple(scores)
