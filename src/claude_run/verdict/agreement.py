"""How well a judge agrees with people: the share of equal labels, and Cohen's kappa with its interval."""

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
class Agreement:
    """`counts` by (label of the person, label of the judge).

    `kappa` is None where it is not defined: where chance alone would agree always. `kappa_interval` is None
    there, and where the labels do not vary enough to give one.
    """

    rate: Rate
    rate_interval: Interval
    kappa: float | None
    kappa_interval: tuple[float, float] | None
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
    # Where the labels do not vary there is no error to speak of, and no interval.
    z = normal_quantile((1 + confidence) / 2)
    spread = None if kappa is None else z * _standard_error(counts, len(pairs))
    return Agreement(
        rate=rate,
        rate_interval=wilson(rate, confidence=confidence),
        kappa=kappa,
        kappa_interval=None
        if kappa is None or not spread
        else (max(-1.0, kappa - spread), min(1.0, kappa + spread)),
        counts={
            (person, judge): counts[person, judge] for person in (True, False) for judge in (True, False)
        },
    )


def cohen_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return agreement beyond chance, at most 1; None where chance alone agrees always."""
    observed, expected = _shares(Counter(pairs), len(pairs))
    return None if math.isclose(expected, 1) else (observed - expected) / (1 - expected)


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
