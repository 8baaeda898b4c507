"""A run loses players at random, and nothing else: no reply, no money, no conversation."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

from tests.cluster.processes import kill, players_of
from tests.cluster.promises import assert_promises_kept
from tests.cluster.throw_away import started
from tests.cluster.workspace import ClusterWorkspace, credentials, talk, transcripts
from tests.support.command import COMMAND
from tests.support.limited_server import LimitedServer
from tests.system.harness.workspace import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.system.harness.workspace import Running, Workspace

CONVERSATIONS = int(os.environ.get("CLUSTER_CONVERSATIONS", "2000"))
"""As many as the time of the suite allows; 5,000 take two minutes more."""
TURNS = 3 * CONVERSATIONS
KILLS = 50
UNDER_WAY = 100
UNLIMITED = 10_000_000
LONG_S = 400.0


def test_a_run_outlives_its_players(workspace: Workspace) -> None:
    """Fifty of them are killed: only what was under way then is asked again, and every reply is used."""
    workspace.write("talk.yaml", talk(CONVERSATIONS))
    arguments = ("talk.yaml", "-q", "-j", str(UNDER_WAY), "-o")
    server = LimitedServer(folder=workspace.folder, requests_per_minute=UNLIMITED, latency_s=0.1)
    with server as api:
        alone = workspace.spawn([str(COMMAND), *arguments, "alone"], env=credentials(api.base_url))
        assert alone.wait(at_most_s=LONG_S).code == 0
        before = api.count()
        with started(credentials(api.base_url)) as cluster:
            running = ClusterWorkspace(workspace=workspace, cluster=cluster).start(*arguments, "out")
            kills = _killed_at_random(cluster.pid, api, running)
            result = running.wait(at_most_s=LONG_S)
        arrivals = api.arrivals()[before:]
    assert result.code == 0, result.stderr
    assert transcripts(workspace, "out") == transcripts(workspace, "alone")
    assert assert_promises_kept(workspace, arrivals, kills, turns=TURNS, under_way=UNDER_WAY) > 0


def _killed_at_random(session: int, api: LimitedServer, running: Running) -> Sequence[float]:
    """Kill a player each time that the API has had so many more requests; return when, on its clock."""
    chance = random.Random(14)  # noqa: S311 - the same every time, not a secret
    begun = api.count()
    moments = []
    for wanted in sorted(chance.sample(range(UNDER_WAY, int(TURNS * 0.95)), KILLS)):
        until(lambda wanted=wanted: api.count() >= begun + wanted, within_s=LONG_S)  # type: ignore[misc]
        until(lambda: players_of(session) != [])
        assert running.process.poll() is None
        # The moment comes first: what was sent before it may be lost, and nothing later.
        moments.append(time.monotonic())
        kill(chance.choice(players_of(session)))
    return moments
