"""Arms of a comparison: two runs, a run and its baseline, or the models and variants of one run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from sys import intern
from typing import TYPE_CHECKING

from claude_run.conversation.identity import aligned_to
from claude_run.verdict.difference import judge_all
from claude_run.verdict.pairing import Observation, pair_runs
from claude_run.verdict.setups import Conditions, conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateResult:
    """One candidate against the baseline: what came of it, how alike both were played, and the samples."""

    arm: Arm
    result: ComparisonResult
    conditions: Conditions
    baseline_samples: dict[str, tuple[Sample, ...]]
    samples: dict[str, tuple[Sample, ...]]


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
    for candidate, result, key in zip(candidates, results, keys, strict=True):
        before, after = _by_case(baseline, key), _by_case(candidate, key)
        alike = conditions(before, after)
        notes = result.notes if alike.known else (*result.notes, _UNKNOWN)
        each = CandidateResult(
            arm=candidate,
            result=replace(result, notes=notes),
            conditions=alike,
            baseline_samples=before,
            samples=after,
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


def aligned(samples: Sequence[Sample], to: Iterable[Identity]) -> tuple[Sample, ...]:
    """Return the samples with their numbered cases called as those with the same variables are in `to`."""
    called = aligned_to((sample.identity for sample in samples), to)

    def renamed(sample: Sample) -> Sample:
        identity = called(sample.identity)
        return sample if identity is sample.identity else replace(sample, identity=identity)

    return tuple(map(renamed, samples))


def typical(samples: Iterable[Sample], *, passed: bool) -> Sample | None:
    """Return the first sample with that result, else the first one that was measured, else None."""
    measured = [sample for sample in samples if sample.passed is not None]
    return next((sample for sample in measured if sample.passed is passed), measured[0] if measured else None)


def _key_of(left: Arm, right: Arm) -> Callable[[Sample], str]:
    models = {frozenset(map(_model, arm.samples)) for arm in (left, right)}
    variants = {frozenset(map(_variant, arm.samples)) for arm in (left, right)}
    with_model, with_variant = not _one_each(models), not _one_each(variants)

    def key(sample: Sample) -> str:
        # It stands in everything that is made of a case, on both sides.
        return intern(sample.identity.compared_name(with_variant=with_variant, with_model=with_model))

    return key


def _one_each(labels: set[frozenset[str | None]]) -> bool:
    """Return whether each arm has only one label, which then tells no case from another."""
    return all(len(each) == 1 for each in labels)


def _observations(arm: Arm, key: Callable[[Sample], str]) -> list[Observation]:
    # The keys of each case: more than one are a cluster.
    rows: dict[tuple[str, str | None], set[str]] = {}
    for sample in arm.samples:
        rows.setdefault((sample.identity.scenario, sample.identity.case), set()).add(key(sample))
    return [
        Observation(
            case=key(sample),
            passed=sample.passed,
            group=sample.identity.compared_name(with_variant=False, with_model=False)
            if len(rows[sample.identity.scenario, sample.identity.case]) > 1
            else None,
            cost_usd=None if sample.cost_usd is None else float(sample.cost_usd),
            latency_s=sample.latency_s,
            input_tokens=sample.input_tokens,
            output_tokens=sample.output_tokens,
            output_chars=sample.output_chars,
        )
        for sample in arm.samples
    ]


def _by_case(arm: Arm, key: Callable[[Sample], str]) -> dict[str, tuple[Sample, ...]]:
    cases: dict[str, list[Sample]] = {}
    for sample in arm.samples:
        cases.setdefault(key(sample), []).append(sample)
    return {case: tuple(samples) for case, samples in cases.items()}


def _model(sample: Sample) -> str | None:
    return sample.identity.model_label


def _variant(sample: Sample) -> str | None:
    return sample.identity.variant
