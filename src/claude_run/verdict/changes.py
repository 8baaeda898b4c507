"""Which cases changed, and of which one may say that they got worse."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from claude_run.verdict.basics import benjamini_hochberg, holm
from claude_run.verdict.exact import fisher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from claude_run.verdict.basics import Rate
    from claude_run.verdict.pairing import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """A case whose pass rate moved.

    `p_worse` is Fisher's one-sided p for "worse" (always in that direction: choosing it afterwards would
    double alpha), `p_holm` and `p_bh` are adjusted over all paired cases. `regressed`: p_holm <= alpha, a
    claim about this case. `worth_a_look`: p_bh <= alpha. With few repeats neither can happen: 5/5 against
    1/5 has p = .0238.
    """

    case: str
    group: str | None
    baseline: Rate
    candidate: Rate
    difference: Fraction
    flaky: bool
    p_worse: float
    p_holm: float
    p_bh: float
    regressed: bool
    worth_a_look: bool


def list_changes(pairs: Sequence[Pair], *, alpha: Fraction) -> tuple[CaseChange, ...]:
    """Return the changed cases, the largest drop first, then by p-value and name."""
    p_values = [_p_worse(pair.candidate, pair.baseline) for pair in pairs]
    adjusted = zip(pairs, p_values, holm(p_values), benjamini_hochberg(p_values), strict=True)
    changes = [
        CaseChange(
            case=pair.case,
            group=pair.group,
            baseline=pair.baseline,
            candidate=pair.candidate,
            difference=pair.difference,
            flaky=pair.baseline.is_flaky or pair.candidate.is_flaky,
            p_worse=float(p_worse),
            p_holm=float(p_holm),
            p_bh=float(p_bh),
            regressed=p_holm <= alpha,
            worth_a_look=p_bh <= alpha,
        )
        for pair, p_worse, p_holm, p_bh in adjusted
        if pair.difference
    ]
    return tuple(sorted(changes, key=lambda change: (change.difference, change.p_worse, change.case)))


@lru_cache(maxsize=4096)  # suites have few distinct pairs of counts
def _p_worse(candidate: Rate, baseline: Rate) -> Fraction:
    return fisher(candidate, baseline).less
