"""What it costs to start: the commands that need no API against a bare interpreter."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 7
COMMAND = str(Path(sys.executable).with_name("claude-run"))
CASES = {
    "--version": [COMMAND, "--version"],
    "--help": [COMMAND, "--help"],
    "check scenarios/": [COMMAND, "check", "scenarios/"],
}


def bench() -> str:
    """Return a line per command: median CPU seconds, and how many bare interpreters that is."""
    bare: list[float] = []
    costs: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        bare.append(_cpu([sys.executable, "-c", "pass"]))
        for name, command in CASES.items():
            costs[name].append(_cpu(command))
    unit = statistics.median(bare)
    lines = [f"start-up: python -c pass costs {unit:.3f} s of CPU"]
    for name, values in costs.items():
        cost = statistics.median(values)
        lines.append(f"start-up: claude-run {name} costs {cost:.3f} s, {cost / unit:.1f} times that")
    return "\n".join(lines)


def _cpu(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
