"""Comparing two runs takes as much memory as their figures do, and not what was said in them."""

from __future__ import annotations

import gc
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

from claude_run.record.derive import read_played, write_derived
from claude_run.record.folder import RunFolder
from claude_run.session.compare import compare_runs
from claude_run.session.request import CompareRequest
from tests.support.big_runs import write_run

if TYPE_CHECKING:
    from pathlib import Path

FEW, MANY = 200, 1_200
MOST_BYTES = 1_500
"""Of a case, on both sides together: a hundred thousand of them take 150 MB."""


def test_a_case_takes_little_memory_on_both_sides(tmp_path: Path) -> None:
    """Texts are left in the files, and figures packed: a large run may be compared on any machine."""
    # In a process of its own, where no other test has left anything that goes on. Its first comparison is not
    # counted: it takes what is made once, tables and patterns.
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        sizes = (FEW, FEW + 1, MANY)
        peaks = {cases: process.submit(_peak, tmp_path / str(cases), cases).result() for cases in sizes}
    assert (peaks[MANY] - peaks[FEW + 1]) / (MANY - FEW - 1) < MOST_BYTES


def _peak(path: Path, cases: int) -> int:
    """Compare two runs of as many cases; return the most memory that took, in bytes."""
    for side in ("a", "b"):
        write_run(path / side, cases=cases, repeats=1, chance=1.0, seed=cases)
        write_derived(RunFolder(path / side), read_played(RunFolder(path / side)))
    gc.collect()
    tracemalloc.start()
    try:
        comparison = compare_runs([path / "a", path / "b"], CompareRequest())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(comparison.candidates[0].result.pairing.pairs) == cases
    return peak
