"""The process that plans and hands out dies; the run goes on wherever it is resumed, with Ray or without."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.cluster.promises import assert_promises_kept
from tests.cluster.throw_away import started
from tests.cluster.workspace import credentials, talk, transcripts
from tests.support.command import COMMAND
from tests.support.limited_server import LimitedServer
from tests.system.harness.workspace import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.system.harness.workspace import Running, Workspace

CONVERSATIONS = 400
TURNS = 3 * CONVERSATIONS
KILLS = 10
UNDER_WAY = 20
UNLIMITED = 10_000_000


@dataclass(kw_only=True)
class DyingRun:
    """A run each of whose processes is started on the next of the engines, with their environments."""

    workspace: Workspace
    api: LimitedServer
    engines: Sequence[tuple[str, Mapping[str, str]]]
    processes: int = 0

    def start(self) -> Running:
        """Begin the run, or go on with it."""
        engine, environment = self.engines[self.processes % len(self.engines)]
        what = ("resume", "out") if self.processes else ("talk.yaml", "-j", str(UNDER_WAY), "-o", "out")
        return self.workspace.spawn([str(COMMAND), *what, "-q", "--engine", engine], env=environment)

    def die(self, *, after: int) -> float:
        """Kill the next process when the API has had so many requests; return when, on its clock."""
        running = self.start()
        self._until_sent(after, running)
        moment = time.monotonic()
        running.process.kill()
        # Whoever comes next waits for the recorder of this one, which may still write down what has come.
        assert running.process.wait() == -signal.SIGKILL, running.stderr.read_text()
        self.processes += 1
        return moment

    def _until_sent(self, requests: int, running: Running) -> None:
        wanted = self.api.count() + requests
        until(lambda: self.api.count() >= wanted or running.process.poll() is not None)


def test_a_run_outlives_its_driver(workspace: Workspace, ray_environment: Mapping[str, str]) -> None:
    """Killed ten times and resumed, by turns on a cluster, in one process, and on a Ray of its own."""
    workspace.write("talk.yaml", talk(CONVERSATIONS))
    chance = random.Random(14)  # noqa: S311 - the same every time, not a secret
    server = LimitedServer(folder=workspace.folder, requests_per_minute=UNLIMITED, latency_s=0.05)
    with server as api, started(credentials(api.base_url)) as cluster:
        key = credentials(api.base_url)
        alone = workspace.start("talk.yaml", "-o", "alone", url=api.base_url).wait()
        assert alone.code == 0, alone.stderr
        before = api.count()
        joined = (f"ray://{cluster.address}", cluster.environment)
        engines = [joined, ("local", key), ("ray", {**ray_environment, **key}), joined, ("local", key)]
        run = DyingRun(workspace=workspace, api=api, engines=engines)
        kills = [run.die(after=chance.randint(1, 50)) for _ in range(KILLS)]
        ended = workspace.start("resume", "out", "--engine", "local", url=api.base_url).wait()
        arrivals = api.arrivals()[before:]
    assert ended.code == 0, ended.stderr
    assert transcripts(workspace, "out") == transcripts(workspace, "alone")
    assert_promises_kept(workspace, arrivals, kills, turns=TURNS, under_way=UNDER_WAY)
