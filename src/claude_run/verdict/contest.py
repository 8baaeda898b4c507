"""Sides of a comparison: two runs, a run and its baseline, or the models and variants of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.verdict.gate import judge_all
from claude_run.verdict.pairing import Observation, pair_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from claude_run.conversation.attempt import Attempt
    from claude_run.verdict.basics import GateRules
    from claude_run.verdict.gate import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side: what to call it, and its attempts."""

    name: str
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """One candidate against the baseline side. `baseline` and `candidate` list the attempts of each case."""

    candidate: Side
    comparison: Comparison
    baseline_attempts: dict[str, tuple[Attempt, ...]]
    candidate_attempts: dict[str, tuple[Attempt, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """All candidates against one baseline, judged as one family."""

    baseline: Side
    duels: tuple[Duel, ...]


def compare(baseline: Side, candidates: Sequence[Side], rules: GateRules) -> Contest:
    """Judge the candidates. A case is what identifies a conversation on both sides.

    The model, or the variant, is left out of the key where each side has only one: the same, or its own.
    Several rows of one case (its variants or models) are a cluster: they rise and fall together.
    """
    keys = [_key_of(baseline, candidate) for candidate in candidates]
    pairings = [
        pair_runs(_observations(baseline, key), _observations(candidate, key))
        for candidate, key in zip(candidates, keys, strict=True)
    ]
    comparisons = judge_all(pairings, rules)
    duels = (
        Duel(
            candidate=candidate,
            comparison=comparison,
            baseline_attempts=_by_case(baseline, key),
            candidate_attempts=_by_case(candidate, key),
        )
        for candidate, comparison, key in zip(candidates, comparisons, keys, strict=True)
    )
    return Contest(baseline=baseline, duels=tuple(duels))


def sides_within(attempts: Sequence[Attempt]) -> tuple[Side, ...]:
    """Split one run into sides: by model where there are several, else by variant; one side if neither."""
    for name in (_model, _variant):
        labels = list(dict.fromkeys(map(name, attempts)))
        if len(labels) > 1:
            return tuple(
                Side(
                    name=label or "-",
                    attempts=tuple(attempt for attempt in attempts if name(attempt) == label),
                )
                for label in labels
            )
    return (Side(name="run", attempts=tuple(attempts)),)


def typical(attempts: Iterable[Attempt], *, passed: bool) -> Attempt | None:
    """Return the first attempt with that result, else the first one that was measured, else None."""
    measured = [attempt for attempt in attempts if attempt.passed is not None]
    return next(
        (attempt for attempt in measured if attempt.passed is passed), measured[0] if measured else None
    )


def _key_of(left: Side, right: Side) -> Callable[[Attempt], str]:
    models = {frozenset(map(_model, side.attempts)) for side in (left, right)}
    variants = {frozenset(map(_variant, side.attempts)) for side in (left, right)}
    with_model, with_variant = not _one_each(models), not _one_each(variants)

    def key(attempt: Attempt) -> str:
        return attempt.identity.compared_name(with_variant=with_variant, with_model=with_model)

    return key


def _one_each(labels: set[frozenset[str | None]]) -> bool:
    """Tell whether each side has only one label, which then tells no case from another."""
    return all(len(each) == 1 for each in labels)


def _observations(side: Side, key: Callable[[Attempt], str]) -> list[Observation]:
    # The keys of each case: more than one are a cluster.
    rows: dict[tuple[str, str | None], set[str]] = {}
    for attempt in side.attempts:
        rows.setdefault((attempt.identity.scenario, attempt.identity.case), set()).add(key(attempt))
    return [
        Observation(
            case=key(attempt),
            passed=attempt.passed,
            group=attempt.identity.compared_name(with_variant=False, with_model=False)
            if len(rows[attempt.identity.scenario, attempt.identity.case]) > 1
            else None,
            cost_usd=None if attempt.cost_usd is None else float(attempt.cost_usd),
            latency_s=attempt.latency_s,
            input_tokens=attempt.input_tokens,
            output_tokens=attempt.output_tokens,
            output_chars=attempt.output_chars,
        )
        for attempt in side.attempts
    ]


def _by_case(side: Side, key: Callable[[Attempt], str]) -> dict[str, tuple[Attempt, ...]]:
    cases: dict[str, list[Attempt]] = {}
    for attempt in side.attempts:
        cases.setdefault(key(attempt), []).append(attempt)
    return {case: tuple(attempts) for case, attempts in cases.items()}


def _model(attempt: Attempt) -> str | None:
    return attempt.identity.model_label


def _variant(attempt: Attempt) -> str | None:
    return attempt.identity.variant
