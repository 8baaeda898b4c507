"""How steadily cases pass: pass^k, pass@k, and a required pass rate with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_run.verdict.basics import Rate, as_decimal
from claude_run.verdict.intervals import Interval, clopper_pearson, wilson
from claude_run.verdict.sequential import even_level

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Means over the `cases` with at least `k` samples: all k pass (pass^k), at least one does (pass@k)."""

    k: int
    cases: int
    all_pass: Fraction
    any_passes: Fraction


class RateVerdict(StrEnum):
    """Of a required pass rate: surely reached, surely missed, or not decided by these samples."""

    MET = "met"
    MISSED = "missed"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateJudgement:
    """A pass rate against the one that is required, both between 0 and 1."""

    verdict: RateVerdict
    rate: Rate
    required: Fraction
    interval: Interval


def pass_all(rate: Rate, k: int) -> Fraction:
    """Return the unbiased estimate of pass^k, C(c, k) / C(n, k): the chance that k samples all pass.

    Source: Yao et al. 2024, tau-bench (arXiv 2406.12045). Raises `ValueError` unless 1 <= k <= n.
    """
    return Fraction(math.comb(rate.passed, k), _draws(rate, k))


def pass_any(rate: Rate, k: int) -> Fraction:
    """Return the unbiased estimate of pass@k, 1 - C(n - c, k) / C(n, k): at least one of k samples passes.

    Source: Chen et al. 2021, Codex (arXiv 2107.03374), Eq. 1. Raises `ValueError` unless 1 <= k <= n.
    """
    return 1 - Fraction(math.comb(rate.total - rate.passed, k), _draws(rate, k))


def reliability(rates: Sequence[Rate], k: int) -> Reliability | None:
    """Average pass^k and pass@k over the cases with at least k samples; None when there is no such case."""
    fit = [rate for rate in rates if rate.total >= k]
    if not fit:
        return None
    return Reliability(
        k=k,
        cases=len(fit),
        all_pass=sum((pass_all(rate, k) for rate in fit), Fraction(0)) / len(fit),
        any_passes=sum((pass_any(rate, k) for rate in fit), Fraction(0)) / len(fit),
    )


def judge_rate(rate: Rate, required: float, *, confidence: float = 0.95, looks: int = 1) -> RateJudgement:
    """Judge a pass rate: `missed` when the whole interval lies below `required`, `met` when none of it does.

    One look uses the Wilson interval; with several planned looks each uses Clopper-Pearson at the evenly
    divided level, which holds whatever the samples do. A required rate of 1 can be missed (by any failure),
    never surely met.
    """
    if looks == 1:
        interval = wilson(rate, confidence=confidence)
    else:
        interval = clopper_pearson(rate, confidence=1 - even_level(looks, alpha=1 - confidence))
    threshold = as_decimal(required)
    if interval.upper < threshold:
        verdict = RateVerdict.MISSED
    else:
        verdict = RateVerdict.MET if interval.lower >= threshold else RateVerdict.UNSURE
    return RateJudgement(verdict=verdict, rate=rate, required=threshold, interval=interval)


def _draws(rate: Rate, k: int) -> int:
    if not 1 <= k <= rate.total:
        raise ValueError(f"k must lie between 1 and the {rate.total} samples made, got {k}")
    return math.comb(rate.total, k)
