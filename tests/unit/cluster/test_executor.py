"""Whole runs on players: what comes of them where processes are lost, and how they end early."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.events import Replied
from claude_run.errors import ExitCode
from tests.unit.cluster.fakes import FakeApi, FakeCluster, FakeKit, Network, echo, gist
from tests.unit.play.fakes import FakedRun, FakeMessages, conversation, user

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from claude_run.conversation.script import Conversation


def conversations(count: int) -> Sequence[Conversation]:
    """Return conversations of two turns, each of which asks something of its own."""
    return [conversation(f"c{n:02}", user(f"first of {n}"), user("second")) for n in range(count)]


def locally(planned: Sequence[Conversation]) -> list[Any]:
    """Return the gist of what one process plays."""
    alone = FakedRun(messages=FakeMessages(answer=echo))
    alone.play(planned)
    told = sorted(alone.progress.transcripts, key=lambda each: each.started.conversation_id)
    return list(map(gist, told))


def test_a_run_comes_to_what_one_process_comes_to(tmp_path: Path) -> None:
    """Thirty conversations on three players, each reply once in the journal."""
    cluster = FakeCluster(kit=FakeKit(conversations=conversations(30)), folder=tmp_path, players=3)
    assert cluster.play() is None
    assert cluster.gists == locally(conversations(30))
    assert len(cluster.requests) == 60
    assert cluster.spending.paid_usd == cluster.booked_usd == Decimal("0.6")
    assert cluster.lost_attempts == 0


def _holds(cluster: FakeCluster, planned: Sequence[Conversation], expected: Sequence[Any]) -> None:
    """Check what holds however many players were lost."""
    assert cluster.gists == expected
    replies = Counter(event.key for event in cluster.events if isinstance(event, Replied))
    turns = sum(len(each.turns) for each in planned)
    assert (len(replies), set(replies.values())) == (turns, {1})
    assert len(cluster.requests) <= turns + cluster.lost_attempts
    assert cluster.spending.spent_usd == cluster.booked_usd


@pytest.mark.parametrize("latest_s", [0.002, 0.2])
@pytest.mark.parametrize("fate", ["kill", "cut_off"])
def test_a_player_is_lost_at_any_moment(tmp_path: Path, fate: str, latest_s: float) -> None:
    """Whatever it was at: nothing that was taken in is lost or asked again, nothing is counted twice."""
    planned = conversations(2)
    expected = locally(planned)

    def played(step: int) -> FakeCluster:
        network = Network(seed=step, latest_s=latest_s)
        kit = FakeKit(conversations=planned, api=FakeApi(network=network))
        (tmp_path / str(step)).mkdir()
        cluster = FakeCluster(kit=kit, folder=tmp_path / str(step), network=network, cap=Decimal(1))
        network.at[step] = lambda: cluster.lose(0, fate)
        assert cluster.play() is None
        return cluster

    undisturbed = played(0).network.steps
    assert undisturbed > 60
    for step in range(1, undisturbed + 1):
        cluster = played(step)
        _holds(cluster, planned, expected)
        assert cluster.lost_attempts <= len(planned), step


def test_a_cap_that_is_reached_is_the_reason_of_the_end(tmp_path: Path) -> None:
    """Though all players have stopped before the news of it come."""
    cluster = FakeCluster(
        kit=FakeKit(conversations=conversations(1)), folder=tmp_path, players=1, cap=Decimal("0.025")
    )
    halt = cluster.play()
    assert halt is not None
    assert halt.code is ExitCode.CAPPED
    assert halt.reason.startswith("stopped by --max-cost 0.025: 0.0100 USD are spent")
    assert (cluster.driver.unfinished, len(cluster.requests)) == (1, 1)
