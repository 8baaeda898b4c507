"""Short ways to write down a run for the tests of the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.verdict.basics import Rate
from claude_run.verdict.pairing import Observation, Pairing, pair_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

_RESULTS = {"1": True, "0": False, "?": None}


def run(samples: Mapping[str, str], *, groups: Mapping[str, str] | None = None) -> list[Observation]:
    """Read `{"case": "110?"}`: passed, passed, failed, not measured."""
    return [
        Observation(case=case, passed=_RESULTS[mark], group=(groups or {}).get(case))
        for case, marks in samples.items()
        for mark in marks
    ]


def pairing(before: str, after: str) -> Pairing:
    """Pair two runs of single samples: the n-th mark is the n-th case."""
    return pair_runs(run(numbered(before)), run(numbered(after)))


def numbered(marks: str) -> dict[str, str]:
    """Name single samples by their place."""
    return {f"c{place:03}": mark for place, mark in enumerate(marks)}


def rate(passed: int, total: int) -> Rate:
    """Return passed / total."""
    return Rate(passed=passed, total=total)
