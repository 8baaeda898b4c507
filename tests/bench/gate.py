"""What the exact test of a gate costs: suites of which every case varies, the median over several."""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING

from claude_run.verdict.basics import Rate
from claude_run.verdict.regression import CaseAttempts, drop_p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITES = ((100, 10, 10, "10 ms"), (1_000, 10, 3, "2 s"))
"""Cases, accepted attempts, attempts of the run, and what it may cost."""

PASS_RATES = (0.5, 0.7, 0.9)
SEEDS = range(5)


def bench() -> str:
    """Return a line for each suite and pass rate."""
    return "\n".join(_line(suite, rate) for suite in SUITES for rate in PASS_RATES)


def _line(suite: tuple[int, int, int, str], rate: float) -> str:
    cases, accepted, now, allowed = suite
    spent = []
    for seed in SEEDS:
        drawn = _suite(cases, accepted, now, source=random.Random(seed), rate=rate)  # noqa: S311 - a benchmark
        drop_p_value(drawn)
        begin = time.perf_counter()
        drop_p_value(drawn)
        spent.append(time.perf_counter() - begin)
    median = 1_000 * statistics.median(spent)
    return (
        f"gate: {cases:,} cases of {accepted} against {now} at {100 * rate:.0f} % take {median:.1f} ms"
        f" (median of {len(spent)}; at most {allowed})"
    )


def _suite(
    cases: int, accepted: int, now: int, *, source: random.Random, rate: float
) -> Sequence[CaseAttempts]:
    def drawn(attempts: int) -> Rate:
        return Rate(passed=sum(source.random() < rate for _ in range(attempts)), total=attempts)

    return [CaseAttempts(accepted=drawn(accepted), now=drawn(now)) for _ in range(cases)]
