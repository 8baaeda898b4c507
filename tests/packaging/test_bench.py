"""`make bench` runs for minutes, so that only what it would run is looked at here."""

from __future__ import annotations

from tests.bench.__main__ import benches


def test_every_benchmark_is_found_and_nothing_else() -> None:
    """A module that benchmarks are made with is no benchmark."""
    assert [name for name, _ in benches()] == [
        *("cache", "compare", "gate", "journal", "memory", "startup", "stream", "throughput")
    ]
