"""`make bench`: what costs time, as ratios measured in one run, so that the machine's speed cancels out."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import tests.bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def main() -> None:
    """Run every benchmark of this folder."""
    for _, bench in benches():
        print(bench(), flush=True)  # noqa: T201 - a report


def benches() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield each benchmark by the name of its module, and what runs it and returns its lines.

    The other modules of this folder are what the benchmarks are made with.
    """
    for found in sorted(pkgutil.iter_modules(tests.bench.__path__), key=lambda module: module.name):
        if found.name != "__main__":
            module = importlib.import_module(f"tests.bench.{found.name}")
            if hasattr(module, "bench"):
                yield found.name, module.bench


if __name__ == "__main__":
    main()
