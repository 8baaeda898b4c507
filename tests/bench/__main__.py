"""`make bench`: what costs time, as ratios measured in one run, so that the machine's speed cancels out."""

from __future__ import annotations

import importlib
import pkgutil

import tests.bench


def main() -> None:
    """Run every benchmark of this folder; each is a module with a `bench() -> str` that returns its lines."""
    for module in sorted(pkgutil.iter_modules(tests.bench.__path__), key=lambda found: found.name):
        if module.name != "__main__":
            print(importlib.import_module(f"tests.bench.{module.name}").bench(), flush=True)  # noqa: T201 - a report


if __name__ == "__main__":
    main()
