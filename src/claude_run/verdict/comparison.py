"""Arms of a comparison: two runs, a run and its baseline, or the models and variants of one run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from sys import intern
from typing import TYPE_CHECKING

from claude_run.conversation.identity import aligned_to
from claude_run.conversation.lazy import LazySequence
from claude_run.verdict.difference import judge_all
from claude_run.verdict.pairing import Observation, pair_runs
from claude_run.verdict.setups import Conditions, conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from claude_run.conversation.identity import Identity
    from claude_run.conversation.sample import Sample
    from claude_run.verdict.basics import ComparisonRules
    from claude_run.verdict.difference import ComparisonResult


_UNKNOWN = (
    "Whether prompt, turns and parameters were the same is not known: a baseline file does not hold them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One arm of a comparison: what to call it, and its samples."""

    name: str
    samples: Sequence[Sample]

    def at(self, places: Sequence[int]) -> Sequence[Sample]:
        """Return the samples at these places, each looked up when it is asked for."""
        return LazySequence(self.samples.__getitem__, places)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateResult:
    """One candidate against the baseline: what came of it, and how alike both were played.

    `baseline_samples` and `samples` are those of the cases that changed.
    """

    arm: Arm
    result: ComparisonResult
    conditions: Conditions
    baseline_samples: Mapping[str, Sequence[Sample]]
    samples: Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All candidates against one baseline, judged as one family."""

    baseline: Arm
    candidates: tuple[CandidateResult, ...]


def compare(baseline: Arm, candidates: Sequence[Arm], rules: ComparisonRules) -> Comparison:
    """Judge the candidates. A case is what identifies a conversation on both arms.

    The model, or the variant, is left out of the key where each arm has only one: the same, or its own.
    Several rows of one case (its variants or models) are a cluster: they rise and fall together.
    """
    keys = [_key_of(baseline, candidate) for candidate in candidates]
    pairings = [
        pair_runs(_observations(baseline, key), _observations(candidate, key))
        for candidate, key in zip(candidates, keys, strict=True)
    ]
    results = judge_all(pairings, rules)
    found: list[CandidateResult] = []
    for candidate, result in zip(candidates, results, strict=True):
        pairs = result.pairing.pairs
        alike = conditions(
            (baseline.at(pair.baseline_score.places), candidate.at(pair.candidate_score.places))
            for pair in pairs
        )
        changed = [pair for pair in pairs if pair.difference]
        notes = result.notes if alike.known else (*result.notes, _UNKNOWN)
        each = CandidateResult(
            arm=candidate,
            result=replace(result, notes=notes),
            conditions=alike,
            baseline_samples={pair.case: baseline.at(pair.baseline_score.places) for pair in changed},
            samples={pair.case: candidate.at(pair.candidate_score.places) for pair in changed},
        )
        found.append(each)
    return Comparison(baseline=baseline, candidates=tuple(found))


def arms_within(samples: Sequence[Sample]) -> tuple[Arm, ...]:
    """Split one run into arms: by model where there are several, else by variant; one arm if neither."""
    for name in (_model, _variant):
        labels = list(dict.fromkeys(map(name, samples)))
        if len(labels) > 1:
            return tuple(
                Arm(
                    name=label or "-",
                    samples=tuple(sample for sample in samples if name(sample) == label),
                )
                for label in labels
            )
    return (Arm(name="run", samples=tuple(samples)),)


def aligned(samples: Sequence[Sample], to: Iterable[Identity]) -> Sequence[Sample]:
    """Return the samples with their numbered cases called as those with the same variables are in `to`."""
    called = aligned_to((sample.identity for sample in samples), to)

    def renamed(sample: Sample) -> Sample:
        identity = called(sample.identity)
        return sample if identity is sample.identity else replace(sample, identity=identity)

    return LazySequence.over(samples, renamed)


def typical(samples: Iterable[Sample], *, passed: bool) -> Sample | None:
    """Return the first sample with that result, else the first one that was measured, else None."""
    measured = [sample for sample in samples if sample.passed is not None]
    return next((sample for sample in measured if sample.passed is passed), measured[0] if measured else None)


def _key_of(left: Arm, right: Arm) -> _Key:
    """Return what a case is called on both sides: by model and variant too, unless each side has only one."""
    models, variants = set(), set()
    for arm in (left, right):
        labels = {(_model(sample), _variant(sample)) for sample in arm.samples}
        models.add(frozenset(model for model, _ in labels))
        variants.add(frozenset(variant for _, variant in labels))
    return _Key(with_model=not _one_each(models), with_variant=not _one_each(variants))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    with_model: bool
    with_variant: bool

    def __call__(self, sample: Sample) -> str:
        name = sample.identity.compared_name(with_variant=self.with_variant, with_model=self.with_model)
        # It stands in everything that is made of a case, on both sides.
        return intern(name)


def _one_each(labels: set[frozenset[str | None]]) -> bool:
    """Return whether each arm has only one label, which then tells no case from another."""
    return all(len(each) == 1 for each in labels)


def _observations(arm: Arm, key: _Key) -> Iterator[Observation]:
    # The keys of each case: more than one are a cluster.
    rows: dict[tuple[str, str | None], set[str]] = {}
    if key.with_model or key.with_variant:
        for sample in arm.samples:
            rows.setdefault((sample.identity.scenario, sample.identity.case), set()).add(key(sample))
    for sample in arm.samples:
        identity = sample.identity
        is_one_of_several = len(rows.get((identity.scenario, identity.case), ())) > 1
        yield Observation(
            case=key(sample),
            passed=sample.passed,
            group=identity.compared_name(with_variant=False, with_model=False) if is_one_of_several else None,
            cost_usd=None if sample.cost_usd is None else float(sample.cost_usd),
            latency_s=sample.latency_s,
            input_tokens=sample.input_tokens,
            output_tokens=sample.output_tokens,
            output_chars=sample.output_chars,
        )


def _model(sample: Sample) -> str | None:
    return sample.identity.model_label


def _variant(sample: Sample) -> str | None:
    return sample.identity.variant
