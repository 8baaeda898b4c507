"""What stops a run on a cluster: its limits, who started it, what it cannot do without."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from claude_run.play.pacing import BEFORE_LIMIT
from tests.cluster.processes import kill, players_of, processes_of
from tests.cluster.workspace import credentials, echo, talk, transcripts
from tests.support.command import COMMAND
from tests.support.scripted_server import Answer
from tests.system.faults.api import ok, scenario
from tests.system.harness.workspace import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.workspace import ClusterWorkspace
    from tests.system.faults.api import Api, TurnRequest
    from tests.system.harness.workspace import Running, Workspace

SOON_S = 15.0
"""Time for a process to write its reports and end, on a busy machine."""


def spent_at_worst(workspace: Workspace) -> Decimal:
    """Return what the replies of a run have cost, and its attempts without one may have."""
    paid = sum((Decimal(str(event["cost_usd"])) for event in workspace.events("reply")), Decimal(0))
    ended = {(each["key"], each["n"]) for kind in ("reply", "failure") for each in workspace.events(kind)}
    left_open = [each for each in workspace.events("attempt") if (each["key"], each["n"]) not in ended]
    return paid + sum(Decimal(str(each["worst_cost_usd"])) for each in left_open)


def slowly(asked: TurnRequest) -> Answer:
    """Answer by the request alone, after a while in which much can happen."""
    return Answer(data=echo(asked).data, delay_s=1.0)


def assert_goes_on(on_cluster: ClusterWorkspace, api: Api, *, again: int = 0) -> None:
    """Resume the run in one process: every turn gets its reply, and so many requests are sent again."""
    workspace = on_cluster.workspace
    api.answer = echo
    ended = workspace.run("resume", "out", "--engine", "local", "--max-requests", "1000", url=api.url)
    assert ended.code == 0, ended.stderr
    assert sum(count - 1 for count in api.requests.values()) == again
    assert workspace.run("s.yaml", "-o", "alone", url=api.url).code == 0
    assert transcripts(workspace, "out") == transcripts(workspace, "alone")


def test_the_cap_holds_whoever_is_lost(on_cluster: ClusterWorkspace, api: Api) -> None:
    """What was under way in killed players counts at its worst; what was paid for is not asked again."""
    workspace = on_cluster.workspace
    workspace.write("talk.yaml", talk(60))
    assert workspace.run("talk.yaml", "-o", "alone", url=api.url).code == 0
    cost = Decimal(str(workspace.summary("alone")["totals"]["cost_usd"]))
    api.reset(lambda asked: Answer(data=echo(asked).data, delay_s=0.1))
    cap = cost / 2
    running = on_cluster.start("talk.yaml", "-o", "out", "--max-cost", str(cap))
    chance = random.Random(14)  # noqa: S311 - the same every time, not a secret
    for wanted in 20, 30, 40:
        until(lambda wanted=wanted: len(api.ledger) >= wanted)  # type: ignore[misc]
        kill(chance.choice(players_of(on_cluster.cluster.pid)))
    result = running.wait()
    assert result.code == 4, result.stderr
    assert cap * Decimal("0.8") < spent_at_worst(workspace) <= cap

    api.reset(echo)
    resumed = on_cluster.run("resume", "out", "--max-cost", str(2 * cost))
    assert resumed.code == 0, resumed.stderr
    assert transcripts(workspace, "out") == transcripts(workspace, "alone")


@pytest.mark.parametrize(
    "limit", [("--max-requests", "10"), ("--max-time", "1.5s")], ids=["requests", "time"]
)
def test_a_limit_is_kept(on_cluster: ClusterWorkspace, api: Api, limit: tuple[str, str]) -> None:
    """What is under way then is waited for, and the rest is left to a resume."""
    on_cluster.workspace.write("s.yaml", scenario(*"abcdefgh", turns=3))
    api.answer = slowly
    stopped = on_cluster.run("s.yaml", "-o", "out", *limit)
    assert stopped.code == 4, stopped.stderr
    assert limit[0] in stopped.stdout
    assert len(api.ledger) == len(on_cluster.workspace.events("reply")) < 24
    if "--max-requests" in limit:
        assert len(api.ledger) == 10
    assert_goes_on(on_cluster, api)


def test_the_first_failure_stops_all_players(on_cluster: ClusterWorkspace, api: Api) -> None:
    """With --fail-fast, wherever it was found."""
    workspace = on_cluster.workspace
    promise = "expect:\n  - contains: good\n"
    workspace.write("s.yaml", scenario(*"abcdefgh", turns=9) + promise)
    # A case whose first turn is its last.
    workspace.write("one.yaml", scenario("one", turns=1).replace("name: s", "name: one") + promise)
    api.answer = lambda asked: ok("bad") if asked.case == "one" else slowly(asked)
    stopped = on_cluster.run("one.yaml", "s.yaml", "-x", "-o", "out")
    assert stopped.code == 1, stopped.stderr
    assert len(api.ledger) < 33


@pytest.mark.parametrize("actor", ["Pace", "Recorder"])
def test_what_no_player_can_do_without(on_cluster: ClusterWorkspace, api: Api, actor: str) -> None:
    """Once nobody lets requests out, or writes down what comes, the run ends, to be gone on with."""
    workspace = on_cluster.workspace
    workspace.write("s.yaml", scenario(*"abcdefgh", turns=3))
    api.answer = slowly
    running = on_cluster.start("s.yaml", "-o", "out")
    until(lambda: len(api.ledger) >= 10)
    (lost,) = processes_of(on_cluster.cluster.pid, named=f"ray::{actor}")
    kill(lost)
    stopped = running.wait()
    assert stopped.code == 3, stopped.stderr
    assert "was lost" in stopped.stdout
    kept = {event["key"] for event in workspace.events("reply")}

    api.answer = echo
    assert workspace.run("resume", "out", "--engine", "local", url=api.url).code == 0
    attempts = Counter(event["key"] for event in workspace.events("attempt"))
    assert {attempts[key] for key in kept} == {1}
    assert workspace.run("s.yaml", "-o", "alone", url=api.url).code == 0
    assert transcripts(workspace, "out") == transcripts(workspace, "alone")


def test_one_interrupt_lets_replies_finish(on_cluster: ClusterWorkspace, api: Api) -> None:
    """On all players what is under way is waited for and kept; nothing more is sent."""
    on_cluster.workspace.write("s.yaml", scenario(*"abcdefgh"))
    api.answer = slowly
    running = on_cluster.start("s.yaml", "-o", "out")
    until(lambda: len(api.ledger) == BEFORE_LIMIT)
    running.send(signal.SIGINT)
    assert running.wait().code == 130
    assert len(api.ledger) == len(on_cluster.workspace.events("reply")) == BEFORE_LIMIT
    assert_goes_on(on_cluster, api)


def test_a_second_interrupt_waits_for_nothing(on_cluster: ClusterWorkspace, api: Api) -> None:
    """What was under way may have been billed, and is asked again by a resume."""
    on_cluster.workspace.write("s.yaml", scenario(*"abcdefgh"))
    api.answer = lambda _: Answer(silent=True)
    running = on_cluster.start("s.yaml", "-o", "out", "--grace", "10m")
    until(lambda: len(api.ledger) == BEFORE_LIMIT)
    begin = time.monotonic()
    _interrupt_twice(running)
    assert running.wait().code == 130
    assert time.monotonic() - begin < SOON_S
    assert len(api.ledger) == BEFORE_LIMIT
    assert on_cluster.workspace.summary()["totals"]["uncertain_cost_usd"] > 0
    assert_goes_on(on_cluster, api, again=BEFORE_LIMIT)


def test_an_interrupt_of_a_terminal_reaches_a_ray_that_was_started_too(
    workspace: Workspace, api: Api, ray_environment: Mapping[str, str]
) -> None:
    """It goes to all processes of the group, and replies under way are kept nevertheless."""
    workspace.write("s.yaml", scenario(*"abcd"))
    api.answer = slowly
    environment = {**ray_environment, **credentials(api.url)}
    command = ["setsid", str(COMMAND), "s.yaml", "-o", "out", "--engine", "ray"]
    running = workspace.spawn(command, env=environment)
    until(lambda: len(api.ledger) == 4)
    os.killpg(running.process.pid, signal.SIGINT)
    result = running.wait()
    assert result.code == 130, result.stderr
    assert len(api.ledger) == len(workspace.events("reply")) == 4


def _interrupt_twice(running: Running) -> None:
    running.send(signal.SIGINT)
    until(lambda: "SIGINT" in running.stderr.read_text())
    running.send(signal.SIGINT)
