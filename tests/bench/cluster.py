"""`make bench-cluster`: the same conversations by one process, and by 1, 2 and 4 players on a local Ray.

All processes and the server share the cores of one machine, so more players than it has cores cannot be
faster here. What says how far a cluster goes is the CPU of each part for a turn: driver, recorder and pace
are one process each, and players as many as there are cores. It is what many conversations cost more than
few, so that imports and the start of Ray cancel out.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.results import FOLDER, Figure, keep
from tests.bench.throughput import COMMAND, TURNS, Server, measure, write_scripts
from tests.cluster.throw_away import started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.cluster.throw_away import RayCluster

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
MANY, FEW = 1_000, 100
LARGE, SMALL = int(os.environ.get("BENCH_CONVERSATIONS", "10000")), 1_000
LATENCY_S, IN_FLIGHT = 0.05, 200
PLAYERS = (0, 1, 2, 4)
"""How many play; 0 is one process without Ray."""
HEAVY, HEAVY_IN_FLIGHT = 300, 32
_HEAVY_CHECK = '''\
"""A check that computes for 50 ms."""

import hashlib
import time

from claude_run.checks.own import Finding, Subject, check, passed


@check("heavy", schema={"type": "boolean"}, example=True)
def heavy(value: bool, reply: Subject) -> Finding:
    """The reply can be hashed for 50 ms of CPU."""
    end = time.process_time() + 0.05
    while time.process_time() < end:
        hashlib.sha256(reply.text.encode()).digest()
    return passed("hashed", expected=value, actual=True)
'''
DRIVER, ACTORS, RAY = "driver", ("Player", "Pace", "Recorder"), "Ray itself"
_LOOK_S = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_COUNT_CALLS = """
import collections, json, sys, ray
ray.init(sys.argv[1], log_to_driver=False, configure_logging=False, logging_level="ERROR")
print(json.dumps(collections.Counter(event["cat"] for event in ray.timeline())))
"""


@dataclass(slots=True)
class Part:
    """What the processes of one kind took: seconds of CPU together, and the peak memory of the largest."""

    cpu_s: float = 0.0
    peak_mb: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What a run took, by part; `span_s` is from the first request to the last reply."""

    parts: Mapping[str, Part]
    span_s: float
    wall_s: float
    journal_bytes: int


class Watch:
    """Looks at the processes of a cluster while a run lasts: its actors are gone when it ends."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._seen: dict[str, tuple[str, Part]] = {}
        self.look()
        self._before_s = {process: part.cpu_s for process, (_, part) in self._seen.items()}

    def look(self) -> None:
        """Note what each process has taken so far."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                # Behind the name: the session is the fourth field, ticks in user and system are 12 and 13.
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) != self._session:
                    continue
                title = (process / "cmdline").read_text()
                peak = (process / "status").read_text().partition("VmHWM:")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended in between
            kind = next((kind for kind in ACTORS if title.startswith(f"ray::{kind}")), RAY)
            known, before = self._seen.get(process.name, (RAY, Part()))
            # A worker is an actor only after a while, and stays one; once it has ended it has no memory.
            self._seen[process.name] = (
                known if kind == RAY else kind,
                Part(
                    cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS,
                    peak_mb=int(peak[0]) / 1024 if peak else before.peak_mb,
                ),
            )

    def parts(self) -> dict[str, Part]:
        """Return what was taken since the beginning, by kind of process."""
        found = {kind: Part() for kind in (*ACTORS, RAY)}
        for process, (kind, part) in self._seen.items():
            found[kind].cpu_s += part.cpu_s - self._before_s.get(process, 0.0)
            found[kind].peak_mb = max(found[kind].peak_mb, part.peak_mb)
        return found


@contextmanager
def watching(session: int) -> Iterator[Watch]:
    """Look at a cluster again and again during the block."""
    watch, is_over = Watch(session), threading.Event()

    def look() -> None:
        while not is_over.wait(_LOOK_S):
            watch.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        is_over.set()
        thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where the runs of this benchmark find what they play, and who answers."""

    folder: Path
    server: Server

    @contextmanager
    def cluster(self, cpus: int, variables: Mapping[str, str] | None = None) -> Iterator[RayCluster | None]:
        """Start a cluster whose workers find the server; None for no players, which is one process."""
        if not cpus:
            yield None
            return
        given = {
            # As `measure` has them for whoever starts a run.
            "ANTHROPIC_API_KEY": "bench",
            "ANTHROPIC_BASE_URL": self.server.url,
            # Ray lets its workers step back behind all else on a machine, which here is the server.
            "RAY_worker_niceness": "0",
            **(variables or {}),
        }
        with started(given, cpus=cpus) as cluster:
            yield cluster

    def play(self, suite: str, turns: int, cluster: RayCluster | None, *options: str) -> Took:
        """Play a suite to its end."""
        where = self.folder / suite
        command = [COMMAND, "returns.yaml", "-q", "-o", "run", *options]
        if cluster is None:
            spent, parts = measure(command, self.server, turns=turns, cwd=where), {}
        else:
            variables = [f"{name}={value}" for name, value in cluster.environment.items()]
            command = ["env", *variables, *command, "--engine", f"ray://{cluster.address}"]
            with watching(cluster.pid) as watch:
                spent = measure(command, self.server, turns=turns, cwd=where)
            parts = watch.parts()
        took = Took(
            parts={DRIVER: Part(spent.cpu_s, spent.peak_mb), **parts},
            span_s=spent.span_s,
            wall_s=spent.wall_s,
            journal_bytes=(where / "run/journal.jsonl").stat().st_size,
        )
        shutil.rmtree(where / "run")
        return took


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round for one number of players."""

    many: Took
    few: Took
    heavy: Took

    @property
    def turns_per_s(self) -> float:
        return MANY * len(TURNS) / self.many.span_s

    @property
    def heavy_per_s(self) -> float:
        return HEAVY / self.heavy.span_s

    def turn_ms(self, part: str) -> float:
        """Return the CPU that a part takes for one turn more; 0 where there is no such part."""
        if part not in self.many.parts:
            return 0.0
        more_s = self.many.parts[part].cpu_s - self.few.parts[part].cpu_s
        return more_s * 1000 / ((MANY - FEW) * len(TURNS))


def main() -> None:
    """Run it, print the table and what else was measured, and keep all as JSON."""
    server = Server(LATENCY_S)
    # Not in the system's temporary folder, which may be memory.
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.resolve()) as name:
        bench = Bench(folder=Path(name), server=server)
        for conversations in (MANY, FEW):
            write_scripts(bench.folder / str(conversations), conversations)
        for conversations in (LARGE, SMALL):
            write_scripts(bench.folder / f"short-{conversations}", conversations, turns=TURNS[:1])
        _write_heavy(bench.folder / "heavy")
        try:
            rounds = [_round(bench, number) for number in range(ROUNDS)]
            figures = [*_by_players(rounds), *_calls(bench), *_scale(bench)]
        finally:
            server.close()
    print(_table(rounds))  # noqa: T201 - a report
    print(keep("cluster", figures))  # noqa: T201 - same


def _write_heavy(folder: Path) -> None:
    write_scripts(folder, HEAVY, turns=TURNS[:1])
    (folder / "heavy.py").write_text(_HEAVY_CHECK)
    scenario = json.loads((folder / "returns.yaml").read_text())
    scenario["turns"][0]["expect"] = [{"heavy": True}]
    (folder / "returns.yaml").write_text(json.dumps(scenario))


def _round(bench: Bench, number: int) -> Mapping[int, Round]:
    found = {}
    # Every other round goes backwards, so that no column has the same neighbour each time.
    for players in PLAYERS if number % 2 == 0 else PLAYERS[::-1]:
        with bench.cluster(players) as cluster:
            in_flight = ("-j", str(IN_FLIGHT))
            found[players] = Round(
                few=bench.play(str(FEW), FEW * len(TURNS), cluster, *in_flight),
                many=bench.play(str(MANY), MANY * len(TURNS), cluster, *in_flight),
                heavy=bench.play("heavy", HEAVY, cluster, "-j", str(HEAVY_IN_FLIGHT), "--checks", "heavy.py"),
            )
    return found


def _rows(rounds: Sequence[Mapping[int, Round]]) -> Mapping[str, Sequence[float]]:
    """Return what was found, a row for each figure and in it a median for each number of players."""

    def medians(of: Callable[[Round], float]) -> Sequence[float]:
        return [statistics.median(of(each[players]) for each in rounds) for players in PLAYERS]

    parts = (DRIVER, *ACTORS)
    return {
        "turns/s": medians(lambda each: each.turns_per_s),
        "CPU of a turn, ms": medians(lambda each: sum(map(each.turn_ms, parts))),
        **{f"of it {part}": medians(partial(Round.turn_ms, part=part)) for part in parts},
        # No difference: most of it is what a cluster does for its first run.
        f"CPU of Ray itself, {MANY} conversations, s": medians(
            lambda each: each.many.parts.get(RAY, Part()).cpu_s
        ),
        "driver's CPU of a conversation, ms": medians(lambda each: each.turn_ms(DRIVER) * len(TURNS)),
        f"wall of {FEW} conversations, s": medians(lambda each: each.few.wall_s),
        "conversations/s with a check of 50 ms": medians(lambda each: each.heavy_per_s),
    }


def _by_players(rounds: Sequence[Mapping[int, Round]]) -> Sequence[Figure]:
    return [
        Figure(f"{_column(players)}: {what}", value)
        for what, values in _rows(rounds).items()
        for players, value in zip(PLAYERS, values, strict=True)
    ]


def _table(rounds: Sequence[Mapping[int, Round]]) -> str:
    rows = [
        f"{what:40}" + "".join(f"{value:>13.3g}" for value in values)
        for what, values in _rows(rounds).items()
    ]
    return "\n".join(["".join([" " * 40, *(f"{_column(each):>13}" for each in PLAYERS)]), *rows])


def _column(players: int) -> str:
    return "one process" if not players else f"{players} player{'s' if players > 1 else ''}"


def _calls(bench: Bench) -> Sequence[Figure]:
    """Count the calls of pace and recorder, which Ray takes note of where it is asked to."""
    noted = {"RAY_PROFILING": "1", "RAY_task_events_report_interval_ms": "100"}
    with bench.cluster(2, noted) as cluster:
        assert cluster is not None
        took = bench.play(str(MANY), MANY * len(TURNS), cluster, "-j", str(IN_FLIGHT))
        asked = subprocess.run(
            [sys.executable, "-c", _COUNT_CALLS, cluster.address],
            env={**os.environ, **cluster.environment, **noted},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    calls, turns = json.loads(asked.stdout), MANY * len(TURNS)
    told, answered, written = (
        calls[f"task::{name}"] for name in ("Pace.tell", "Pace.answers", "Recorder.append")
    )
    return [
        Figure("turns/s while calls were counted", turns / took.span_s),
        Figure("calls of the pace, of a turn", (told + answered) / turns),
        Figure("calls of the pace", (told + answered) / took.span_s, "/s"),
        Figure("calls of the recorder, each ends with a sync, of a turn", written / turns),
        Figure("calls of the recorder, each ends with a sync", written / took.span_s, "/s"),
    ]


def _scale(bench: Bench) -> Sequence[Figure]:
    """Return what grows with the number of conversations."""
    figures = []
    with bench.cluster(2) as cluster:
        for conversations in (SMALL, LARGE):
            suite = f"short-{conversations}"
            took = bench.play(suite, conversations, cluster, "-j", str(IN_FLIGHT))
            figures += [
                Figure(f"peak memory of {part}, {conversations:,} conversations", found.peak_mb, "MB")
                for part, found in took.parts.items()
            ]
            figures += [
                Figure(
                    f"journal of a conversation of one turn, {conversations:,} conversations",
                    took.journal_bytes / conversations,
                    "bytes",
                ),
                Figure(
                    f"beyond the requests, {conversations:,} conversations", took.wall_s - took.span_s, "s"
                ),
            ]
    return figures


if __name__ == "__main__":
    main()
