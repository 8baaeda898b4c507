"""How well a judge agrees with people: equal labels, Cohen's kappa, and the two kinds of error."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.verdict.basics import Rate
from claude_run.verdict.intervals import wilson
from claude_run.verdict.special import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.verdict.intervals import Interval

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRate:
    """Of the replies that people gave one label, those to which the judge gave the other; by Wilson."""

    rate: Rate
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """`counts` by (label of the person, label of the judge).

    `kappa` is None where it is not defined: where chance alone would agree always. `kappa_interval` is None
    there, and where its large-sample error is zero: they agree on every reply or on none, or one of them gave
    all the same label. `wrongly_passed` is out of what people failed, `wrongly_failed` out of what they
    passed; None where there is no such reply.
    """

    rate: Rate
    rate_interval: Interval
    kappa: float | None
    kappa_interval: tuple[float, float] | None
    wrongly_passed: ErrorRate | None
    wrongly_failed: ErrorRate | None
    counts: dict[tuple[bool, bool], int]


def agreement(pairs: Sequence[tuple[bool, bool]], *, confidence: float = 0.95) -> Agreement:
    """Compare labels in pairs (person, judge); ValueError where there are none.

    Cohen 1960, "A coefficient of agreement for nominal scales": kappa = (po - pe) / (1 - pe). The interval is
    kappa plus and minus z times its large-sample standard error (Fleiss, Cohen and Everitt 1969), cut to
    [-1, 1].
    """
    if not pairs:
        raise ValueError("there are no labels to compare")
    counts = Counter(pairs)
    rate = Rate(passed=sum(counts[both, both] for both in (True, False)), total=len(pairs))
    kappa = cohen_kappa(pairs)
    # An error of zero would be a claim of certainty, so it gives no interval.
    z = normal_quantile((1 + confidence) / 2)
    spread = None if kappa is None else z * _standard_error(counts, len(pairs))
    return Agreement(
        rate=rate,
        rate_interval=wilson(rate, confidence=confidence),
        kappa=kappa,
        kappa_interval=None
        if kappa is None or not spread
        else (max(-1.0, kappa - spread), min(1.0, kappa + spread)),
        wrongly_passed=_error_rate(counts, person=False, confidence=confidence),
        wrongly_failed=_error_rate(counts, person=True, confidence=confidence),
        counts={
            (person, judge): counts[person, judge] for person in (True, False) for judge in (True, False)
        },
    )


def cohen_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return agreement beyond chance, at most 1; None where chance alone agrees always."""
    observed, expected = _shares(Counter(pairs), len(pairs))
    return None if math.isclose(expected, 1) else (observed - expected) / (1 - expected)


def _error_rate(counts: Counter[tuple[bool, bool]], *, person: bool, confidence: float) -> ErrorRate | None:
    wrong, total = counts[person, not person], counts[person, True] + counts[person, False]
    if not total:
        return None
    rate = Rate(passed=wrong, total=total)
    return ErrorRate(rate=rate, interval=wilson(rate, confidence=confidence))


def _shares(counts: Counter[tuple[bool, bool]], n: int) -> tuple[float, float]:
    """Return the share of equal labels, and the one that chance alone would give."""
    person, judge = _margins(counts)
    observed = (counts[True, True] + counts[False, False]) / n
    return observed, sum(person[label] * judge[label] for label in (True, False)) / n**2


def _standard_error(counts: Counter[tuple[bool, bool]], n: int) -> float:
    person, judge = _margins(counts)
    observed, expected = _shares(counts, n)
    # The terms of Fleiss, Cohen and Everitt: cells of equal labels, cells of unequal ones, and the mean.
    same = sum(
        counts[label, label] / n * ((1 - expected) - (person[label] + judge[label]) / n * (1 - observed)) ** 2
        for label in (True, False)
    )
    apart = (1 - observed) ** 2 * sum(
        counts[ours, theirs] / n * ((judge[ours] + person[theirs]) / n) ** 2
        for ours, theirs in ((True, False), (False, True))
    )
    shift = (observed * expected - 2 * expected + observed) ** 2
    variance = same + apart - shift
    # Where the labels leave nothing to vary only rounding is left.
    return math.sqrt(variance / n) / (1 - expected) ** 2 if variance > _ROUNDING else 0.0


def _margins(counts: Counter[tuple[bool, bool]]) -> tuple[dict[bool, int], dict[bool, int]]:
    """Return how often each label was given, by people and by the judge."""
    labels = (True, False)
    person = {label: counts[label, True] + counts[label, False] for label in labels}
    return person, {label: counts[True, label] + counts[False, label] for label in labels}
