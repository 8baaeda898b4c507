"""How steadily cases pass: pass^k and pass@k."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.verdict.basics import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Means over the `cases` with at least `k` samples: all k pass (pass^k), at least one does (pass@k)."""

    k: int
    cases: int
    all_pass: Fraction
    any_passes: Fraction


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


def _draws(rate: Rate, k: int) -> int:
    if not 1 <= k <= rate.total:
        raise ValueError(f"k must lie between 1 and the {rate.total} samples made, got {k}")
    return math.comb(rate.total, k)
