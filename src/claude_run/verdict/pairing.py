"""Two runs side by side: samples counted, cases paired by their key, what has no partner named."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from claude_run.verdict.basics import Rate, exact_mean

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence


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


class Columns:
    """The samples of a run in its order, in as little memory as there may be many of them.

    `metrics` holds those of one sample after the other in the order of `Metric`, NaN for what is not known.
    """

    def __init__(self) -> None:
        self.passed: list[bool | None] = []
        self.metrics = array("d")

    def add(self, sample: Observation) -> None:
        """Add the next sample of the run."""
        self.passed.append(sample.passed)
        values = map(sample.metric, Metric)
        self.metrics.extend(math.nan if value is None else value for value in values)


_OFFSETS = {metric: offset for offset, metric in enumerate(Metric)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScore:
    """All samples of one run at one case: their `places` in the run, in its order."""

    case: str
    group: str | None
    places: tuple[int, ...]
    columns: Columns

    @property
    def results(self) -> Sequence[bool]:
        """Whether each sample passed, of those that were measured."""
        found = (self.columns.passed[place] for place in self.places)
        return [passed for passed in found if passed is not None]

    @property
    def rate(self) -> Rate | None:
        """Passes out of measured samples; None when nothing was measured."""
        results = self.results
        return _rate(sum(results), len(results)) if results else None

    def mean(self, metric: Metric) -> Fraction | None:
        """Return the exact mean of a metric over the measured samples that know it; None when none does."""
        passed, metrics, offset = self.columns.passed, self.columns.metrics, _OFFSETS[metric]
        values = [
            metrics[place * len(_OFFSETS) + offset] for place in self.places if passed[place] is not None
        ]
        known = [value for value in values if not math.isnan(value)]
        if len(known) == 1:
            return Fraction(known[0])  # most cases are tried once
        return exact_mean(known) if known else None


@lru_cache(maxsize=4096)  # suites have few distinct counts
def _rate(passed: int, total: int) -> Rate:
    return Rate(passed=passed, total=total)


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


def clusters_of(pairs: Sequence[Pair]) -> Sequence[Hashable] | None:
    """Return the cluster of each pair; None where each stands alone, as in most runs."""
    if all(pair.group is None for pair in pairs):
        return None
    return [pair.cluster for pair in pairs]


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
            len(score.places) - len(score.results) for run in (before, after) for score in run.values()
        ),
    )


def score_cases(observations: Iterable[Observation]) -> tuple[CaseScore, ...]:
    """Gather the samples of one run by case, in order of first appearance.

    Raises `ValueError` when a case stands in two groups.
    """
    columns = Columns()
    by_case: dict[str, list[int]] = {}
    groups: dict[str, str | None] = {}
    for place, observation in enumerate(observations):
        case, group = observation.case, observation.group
        if groups.setdefault(case, group) != group:
            named = ", ".join(sorted(map(repr, (groups[case], group))))
            raise ValueError(
                f"case {case!r} stands in several groups of one run ({named}): give it one group"
            )
        by_case.setdefault(case, []).append(place)
        columns.add(observation)
    return tuple(
        CaseScore(case=case, group=groups[case], places=tuple(places), columns=columns)
        for case, places in by_case.items()
    )
