"""What it costs to start: the commands that need no API, against the imports that nobody could do without."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path

from tests.bench.results import Figure, keep

ROUNDS = 9
COMMAND = str(Path(sys.executable).with_name("claude-run"))
CASES = {
    "import typer": [sys.executable, "-c", "import typer"],
    "import yaml, jinja2, typer": [sys.executable, "-c", "import yaml, jinja2, typer"],
    "--version": [COMMAND, "--version"],
    "--help": [COMMAND, "--help"],
    "check of one file": [COMMAND, "check", "scenarios/quickstart.yaml"],
}
WHY = {
    "check of one file": "138 frozen classes, 0.4 ms each, are built at each start: a third of it",
}
TARGETS = {
    "--version": ("import typer", 2.0),
    "--help": ("import typer", 2.0),
    "check of one file": ("import yaml, jinja2, typer", 1.5),
}


def bench() -> str:
    """Return a line per command: median CPU seconds, and the median ratio to what it must import."""
    costs: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, command in CASES.items():
            costs[name].append(_cpu(command))
    figures = [Figure(f"CPU of {name}", statistics.median(found), "s") for name, found in costs.items()]
    for name, (against, most) in TARGETS.items():
        ratios = [cost / unit for cost, unit in zip(costs[name], costs[against], strict=True)]
        figures.append(
            Figure(f"CPU of {name} / {against}", statistics.median(ratios), "", most, WHY.get(name, ""))
        )
    return keep("startup", figures)


def _cpu(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
