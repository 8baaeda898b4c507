"""The same conversations by claude-run, with all that it keeps, and by the loops that its users would write.

A turn's CPU is what 400 conversations cost more than 40, so that imports cancel out. All three work against
one server with a fixed latency, round after round one after the other, and what is shown are medians of the
ratios within a round.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.results import Figure, keep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
LATENCY_S = 0.2
MANY, FEW, SMALL = 400, 40, 20
TURNS = ("I bought {item} last week and want my money back.", "I have no receipt.", "Thank you. How long?")
IN_FLIGHT = 100
_OWN = (
    "a third is the SDK and its transport, which build headers and request anew for each; the rest is"
    " spread thin over JSON, the journal, transcripts and waiting in order, none of it above a tenth"
)
_SPAN = "it follows the CPU of a turn, and what else the machine does: the loops do not reach it either"
MODEL = "claude-haiku-5-5"
SYSTEM = "You are a support agent for Acme. You quote the 30-day rule and never promise more. " * 8
COMMAND = str(Path(sys.executable).with_name("claude-run"))
LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one process took: seconds of CPU and of wall, peak memory, and the span of its API calls."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    span_s: float


class Server:
    """The load server, in a process of its own."""

    def __init__(self, latency_s: float = LATENCY_S) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.load_server", str(latency_s)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def span(self) -> tuple[int, float]:
        """Return how many requests came since the last call, and the seconds from first to last."""
        with urllib.request.urlopen(f"{self.url}/span") as response:  # noqa: S310 - our own server
            span = json.load(response)
        return span["requests"], span["end_s"] - span["begin_s"]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def measure(command: Sequence[str], server: Server, *, turns: int, cwd: Path) -> Spent:
    """Run a command to its end against the server, which must have got `turns` requests by then."""
    environment = {
        **os.environ,
        "ANTHROPIC_API_KEY": "bench",
        "ANTHROPIC_BASE_URL": server.url,
        "PYTHONPATH": str(Path.cwd()),
    }
    server.span()
    with tempfile.NamedTemporaryFile() as result:
        launched = [sys.executable, "-I", "-S", str(LAUNCHER), result.name, *command]
        ended = subprocess.run(
            launched, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
        came, span_s = server.span()
        if ended.returncode or came != turns:
            said = ended.stderr.decode()[-2000:]
            raise RuntimeError(f"{command}: code {ended.returncode}, {came} requests: {said}")
        took = json.load(result)
    return Spent(cpu_s=took["cpu_s"], wall_s=took["wall_s"], peak_mb=took["peak_mb"], span_s=span_s)


def write_scripts(folder: Path, conversations: int, *, turns: Sequence[str] = TURNS) -> None:
    """Write the same conversations as a scenario with cases and as the script of the loops."""
    folder.mkdir()
    cases = [f"item {number:06}" for number in range(conversations)]
    script = {"model": MODEL, "max_tokens": 1024, "system": SYSTEM, "turns": turns, "cases": cases}
    (folder / "script.json").write_text(json.dumps(script))
    (folder / "cases.csv").write_text(
        "id,item\n" + "".join(f"{case.replace(' ', '-')},{case}\n" for case in cases)
    )
    asked = [
        {"user": turn.replace("{item}", "{{ item }}"), "expect": [{"contains": "30 days"}]} for turn in turns
    ]
    scenario = {
        "model": MODEL,
        "max_tokens": 1024,
        "system": SYSTEM,
        "cases": {"file": "cases.csv"},
        "turns": asked,
        "expect": [{"max_cost_usd": 1}],
    }
    (folder / "returns.yaml").write_text(json.dumps(scenario))


def bench() -> str:
    """Return the table of throughput, each number beside its target."""
    server = Server()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for conversations in (MANY, FEW, SMALL):
            write_scripts(folder / str(conversations), conversations)
        try:
            rounds = [_round(folder, server) for _ in range(ROUNDS)]
        finally:
            server.close()
    return keep("throughput", _figures(rounds))


def _round(folder: Path, server: Server) -> Mapping[tuple[str, int], Spent]:
    found: dict[tuple[str, int], Spent] = {}
    imports = measure([sys.executable, "-c", "import anthropic"], server, turns=0, cwd=folder)
    found["import", 0] = imports
    for conversations in (MANY, FEW, SMALL):
        where, turns = folder / str(conversations), conversations * len(TURNS)
        commands = {
            "plain": [sys.executable, "-m", "tests.bench.loops.plain", "script.json", str(IN_FLIGHT)],
            "raw": [sys.executable, "-m", "tests.bench.loops.raw", "script.json", str(IN_FLIGHT)],
            "claude-run": [COMMAND, "returns.yaml", "-j", str(IN_FLIGHT)],
        }
        for who, command in commands.items():
            found[who, conversations] = measure(command, server, turns=turns, cwd=where)
            if who == "claude-run":
                shutil.rmtree(where / "outputs")
    return found


def _figures(rounds: Sequence[Mapping[tuple[str, int], Spent]]) -> Sequence[Figure]:
    ideal_s = len(TURNS) * LATENCY_S * MANY / IN_FLIGHT
    fewer = (MANY - FEW) * len(TURNS)

    def turn_ms(found: Mapping[tuple[str, int], Spent], who: str) -> float:
        return (found[who, MANY].cpu_s - found[who, FEW].cpu_s) / fewer * 1000

    def median(values: Sequence[float]) -> float:
        return statistics.median(values)

    plain = median([turn_ms(found, "plain") for found in rounds])
    raw = median([turn_ms(found, "raw") for found in rounds])
    ours = median([turn_ms(found, "claude-run") for found in rounds])
    return [
        Figure("CPU of a turn, plain loop", plain, "ms"),
        Figure("CPU of a turn, raw responses over aiohttp", raw, "ms"),
        Figure("CPU of a turn, claude-run", ours, "ms"),
        Figure(
            "CPU of a turn: claude-run / plain loop",
            median([turn_ms(found, "claude-run") / turn_ms(found, "plain") for found in rounds]),
            most=0.7,
            why=_OWN,
        ),
        Figure(
            "CPU of a turn: claude-run / raw responses",
            median([turn_ms(found, "claude-run") / turn_ms(found, "raw") for found in rounds]),
            most=1.4,
            why=_OWN,
        ),
        Figure(
            f"span of the API calls / ideal ({ideal_s:g} s), plain loop",
            median([found["plain", MANY].span_s for found in rounds]) / ideal_s,
        ),
        Figure(
            f"span of the API calls / ideal ({ideal_s:g} s), claude-run",
            median([found["claude-run", MANY].span_s for found in rounds]) / ideal_s,
            most=1.10,
            why=_SPAN,
        ),
        Figure("wall of the plain loop", median([found["plain", MANY].wall_s for found in rounds]), "s"),
        Figure("wall of claude-run", median([found["claude-run", MANY].wall_s for found in rounds]), "s"),
        Figure(
            "wall: claude-run / plain loop",
            median([found["claude-run", MANY].wall_s / found["plain", MANY].wall_s for found in rounds]),
            most=1.0,
            why="it imports the SDK as the loop does, and reads a suite and writes its reports besides",
        ),
        Figure("import anthropic", median([found["import", 0].wall_s for found in rounds]), "s"),
        Figure(
            f"{SMALL} conversations: wall of claude-run beyond the import",
            median([found["claude-run", SMALL].wall_s - found["import", 0].wall_s for found in rounds]),
            "s",
            most=1.0,
        ),
        Figure(
            f"{SMALL} conversations: span of the API calls",
            median([found["claude-run", SMALL].span_s for found in rounds]),
            "s",
        ),
        Figure("peak memory, plain loop", median([found["plain", MANY].peak_mb for found in rounds]), "MB"),
        Figure(
            "peak memory, claude-run", median([found["claude-run", MANY].peak_mb for found in rounds]), "MB"
        ),
    ]
