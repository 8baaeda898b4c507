"""How peak memory grows with a run: one-turn conversations against a server that answers at once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.bench.results import Figure, keep
from tests.bench.throughput import COMMAND, TURNS, Server, Spent, measure, write_scripts

FEW = 1_000
MANY = int(os.environ.get("BENCH_CONVERSATIONS", "10000"))
FULL, PLANNED = 100_000, 1_000_000
MOST_MB, MOST_PLAN_MB = 150.0, 500.0
MOST_REPORT_S = MOST_PLAN_S = 60.0
COMMANDS = {
    "run": [COMMAND, "returns.yaml", "-j", "100", "-q", "-o", "run"],
    "report": [COMMAND, "report", "-q", "run"],
    "verify": [COMMAND, "verify", "run"],
    "compare": [COMMAND, "compare", "--json", "run", "run"],
}
# Without a key nobody is asked for the tokens of a few prompts: it is the plan that is measured.
DRY_RUN = ["env", "-u", "ANTHROPIC_API_KEY", COMMAND, "returns.yaml", "--dry-run"]
_LOADED = "it is CPU from end to end, and wall time is what the machine leaves of it"


def bench() -> str:
    """Return what each command takes more for many conversations, and a plan of a million."""
    server = Server(0.0)
    try:
        few, many, planned = _measured(server, FEW), _measured(server, MANY), _planned(server)
    finally:
        server.close()
    figures = []
    for name in COMMANDS:
        figures += [
            Figure(f"peak memory of {name}, {FEW:,} conversations", few[name].peak_mb, "MB"),
            Figure(f"peak memory of {name}, {MANY:,} conversations", many[name].peak_mb, "MB"),
        ]
        grown = (many[name].peak_mb - few[name].peak_mb) * (FULL - FEW) / (MANY - FEW)
        figures.append(Figure(f"more memory of {name} for {FULL:,}, scaled", grown, "MB", MOST_MB))
    took = many["report"].wall_s * FULL / MANY
    figures.append(Figure(f"report of {FULL:,} conversations, scaled", took, "s", MOST_REPORT_S, _LOADED))
    figures += [
        Figure(f"peak memory of a plan of {PLANNED:,} requests", planned.peak_mb, "MB", most=MOST_PLAN_MB),
        Figure(f"plan of {PLANNED:,} requests, dry run", planned.wall_s, "s", MOST_PLAN_S, _LOADED),
    ]
    return keep("memory", figures)


def _measured(server: Server, conversations: int) -> dict[str, Spent]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "suite"
        write_scripts(folder, conversations, turns=TURNS[:1])
        return {
            what: measure(command, server, turns=conversations if what == "run" else 0, cwd=folder)
            for what, command in COMMANDS.items()
        }


def _planned(server: Server) -> Spent:
    """Plan as many conversations as a run may have, with turns enough for a million requests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "suite"
        turns = [f"{TURNS[turn % len(TURNS)]} ({turn})" for turn in range(PLANNED // FULL)]
        write_scripts(folder, FULL, turns=turns)
        return measure(DRY_RUN, server, turns=0, cwd=folder)
