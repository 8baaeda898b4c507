"""Whole runs on players: what comes of them where processes are lost, and how they end early."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.events import Replied
from claude_run.conversation.log import ConversationLog
from claude_run.conversation.results import Outcome
from claude_run.errors import CredentialsError, ExitCode, StorageError
from claude_run.play.stop import Halt
from claude_run.record.history import read_history
from claude_run.record.recording import Recording
from tests.unit.cluster.fakes import FakeApi, FakeCluster, FakeKit, Network, echo, gist
from tests.unit.play.fakes import FakedRun, FakeMessages, conversation, failure, message, user

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from claude_run.conversation.exchange import Failure, Request
    from claude_run.conversation.script import Conversation
    from claude_run.play.stop import StopSignal


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


def test_players_are_lost_again_and_again(tmp_path: Path) -> None:
    """Thirty conversations are played to their end by whoever is there, as if nothing had been."""
    planned = conversations(30)
    chance = Random(1)  # noqa: S311 - for tests
    kit = FakeKit(conversations=planned)
    cluster = FakeCluster(kit=kit, folder=tmp_path, players=3, concurrency=4, cap=Decimal(9))

    async def strike(_stop: StopSignal) -> None:
        for _ in range(8):
            await asyncio.sleep(chance.uniform(0.05, 0.3))
            cluster.lose(chance.randrange(3), chance.choice(["kill", "cut_off"]))

    assert cluster.play(strike) is None
    _holds(cluster, planned, locally(planned))
    assert cluster.lost_attempts > 0
    assert sum(actor.lives for actor in cluster.actors) > 3 + 4


@pytest.mark.parametrize(("back_s", "reason"), [(None, None), (0.0, "players were lost one after the other")])
def test_the_run_ends_where_no_player_lives(tmp_path: Path, back_s: float | None, reason: str | None) -> None:
    """Those that always die end it with a reason; one that stays away leaves its work to the others."""
    planned = conversations(6)
    kit = FakeKit(conversations=planned)
    cluster = FakeCluster(kit=kit, folder=tmp_path, back_s=back_s)

    async def strike(_stop: StopSignal) -> None:
        await asyncio.sleep(0.05)
        cluster.lose(0, "kill")
        while back_s is not None:
            for player in (0, 1):
                cluster.lose(player, "kill")
            await asyncio.sleep(0.05)

    halt = cluster.play(strike)
    if reason is None:
        assert halt is None
        assert cluster.gists == locally(planned)
    else:
        assert halt is not None
        assert halt.code is ExitCode.NOT_MEASURED
        assert reason in halt.reason
        assert cluster.driver.unfinished > 0


def test_players_that_do_not_come_back_are_told_and_end_the_run(tmp_path: Path) -> None:
    """A line for each, and the reason once none is left; what they had written stays."""
    kit = FakeKit(conversations=conversations(4))
    cluster = FakeCluster(kit=kit, folder=tmp_path, back_s=0.0)

    async def strike(_stop: StopSignal) -> None:
        await asyncio.sleep(0.15)
        kit.trouble = CredentialsError("no credentials here")
        for player in (0, 1):
            cluster.lose(player, "kill")

    halt = cluster.play(strike)
    assert halt is not None
    assert (halt.code, halt.reason) == (ExitCode.NOT_MEASURED, "no player is left")
    told = [line for line in cluster.said if line.startswith("warning: a player on ")]
    assert len(told) == 2
    assert all(line.endswith("did not come back: no credentials here") for line in told)
    assert sum(isinstance(event, Replied) for event in cluster.events) == 4
    assert cluster.driver.unfinished == 4


@pytest.mark.parametrize(
    ("which", "does"), [("pace", "lets requests out"), ("recorder", "writes the journal")]
)
def test_a_run_without_its_pace_or_its_recorder_ends(tmp_path: Path, which: str, does: str) -> None:
    """Nothing more is sent, and the journal is given back with all that was acknowledged."""
    cluster = FakeCluster(kit=FakeKit(conversations=conversations(4)), folder=tmp_path)

    async def strike(_stop: StopSignal) -> None:
        await asyncio.sleep(0.15)
        getattr(cluster, which).kill()

    halt = cluster.play(strike)
    assert halt is not None
    assert halt.code is ExitCode.NOT_MEASURED
    assert halt.reason == f"the process that {does} was lost (the process is gone): go on with the run"
    assert cluster.driver.unfinished > 0
    assert len(cluster.requests) <= 8
    assert sum(isinstance(event, Replied) for event in cluster.events) >= 4


@pytest.mark.parametrize("interrupts", [0, 1, 2])
def test_a_stop_lets_replies_under_way_come_and_asks_for_no_more(tmp_path: Path, interrupts: int) -> None:
    """Within the grace of a user's stop; a second interrupt waits for nothing."""
    kit = FakeKit(conversations=conversations(4), api=FakeApi(FakeMessages(answer=echo, latency_s=5.0)))
    cluster = FakeCluster(kit=kit, folder=tmp_path)

    async def strike(stop: StopSignal) -> None:
        await asyncio.sleep(1.0)
        halt = Halt(code=ExitCode.INTERRUPTED, reason="interrupted", grace_s=60.0 if interrupts else None)
        (stop.interrupt if interrupts else stop.request)(halt)
        await asyncio.sleep(1.0)
        if interrupts == 2:
            stop.request_now()

    halt = cluster.play(strike)
    assert halt is not None
    assert halt.reason == "interrupted"
    assert len(cluster.requests) == 4
    assert cluster.lost_attempts == (4 if interrupts == 2 else 0)
    assert sum(isinstance(event, Replied) for event in cluster.events) == (0 if interrupts == 2 else 4)
    assert cluster.driver.unfinished == 4
    assert cluster.spending.spent_usd == Decimal(0)  # there is no cap to count against


def test_a_user_waits_no_longer_than_the_grace(tmp_path: Path) -> None:
    """Then what is under way is left, its cost unknown."""
    kit = FakeKit(conversations=conversations(2), api=FakeApi(FakeMessages(answer=echo, latency_s=500.0)))
    cluster = FakeCluster(kit=kit, folder=tmp_path, cap=Decimal(1))

    async def strike(stop: StopSignal) -> None:
        await asyncio.sleep(1.0)
        stop.interrupt(Halt(code=ExitCode.INTERRUPTED, reason="interrupted", grace_s=3.0))

    assert cluster.play(strike) is not None
    assert cluster.lost_attempts == 2
    assert cluster.spending.spent_usd == cluster.booked_usd == Decimal("0.04")


def test_failures_end_a_run_as_they_do_on_one_machine(tmp_path: Path) -> None:
    """`--max-failures` is counted where the run was started."""
    planned = [conversation(f"c{n}", user(f"of {n}", ("contains", "never said"))) for n in range(6)]
    cluster = FakeCluster(kit=FakeKit(conversations=planned), folder=tmp_path, concurrency=1, max_failures=2)
    halt = cluster.play()
    assert halt is not None
    assert halt.reason == "stopped after 2 failed conversations (--max-failures)"
    assert len(cluster.progress.finished_ids) == 2


@pytest.mark.parametrize(
    ("trouble", "error", "words"),
    [
        (StorageError("no room"), StorageError, "no room"),
        (KeyError("a slip"), RuntimeError, "a player has met a bug:\n(?s:.*)KeyError: 'a slip'"),
    ],
)
def test_an_error_in_a_player_ends_the_run(
    tmp_path: Path, trouble: Exception, error: type[Exception], words: str
) -> None:
    """With its own words where it is one for the user, and with its traceback where it is a bug."""

    def answer(_request: Request, number: int) -> dict[str, Any]:
        if number == 3:
            raise trouble
        return echo(_request, number)

    kit = FakeKit(conversations=conversations(4), api=FakeApi(FakeMessages(answer=answer)))
    cluster = FakeCluster(kit=kit, folder=tmp_path)
    with pytest.raises(error, match=words):
        cluster.play()
    assert cluster.recorder.calls[-1] == "close"


def test_a_disk_that_fails_ends_the_run_with_its_words(tmp_path: Path) -> None:
    """The recorder's error is the one that is told, and what was acknowledged before stays."""
    cluster = FakeCluster(kit=FakeKit(conversations=conversations(4)), folder=tmp_path)

    async def strike(_stop: StopSignal) -> None:
        await asyncio.sleep(0.15)
        cluster.disk.broken = OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"journal\.jsonl cannot be written: No space left on device"):
        cluster.play(strike)
    assert sum(isinstance(event, Replied) for event in cluster.events) == 4


def test_what_earlier_processes_left_is_played_on_and_asked_again(tmp_path: Path) -> None:
    """Replies that are there are not asked for; with `ask_again` those are that could not be used."""
    (planned,) = [conversation("c", user("first"), user("second"))]
    cut = FakedRun(messages=FakeMessages(answer=lambda _r, _n: message("x", stop_reason="to be invented")))
    cut.play([planned])
    for ask_again, count in ((False, 0), (True, 2)):
        folder = tmp_path / str(ask_again)
        folder.mkdir()
        cluster = FakeCluster(
            kit=FakeKit(conversations=[planned]),
            folder=folder,
            ask_again=ask_again,
            earlier={planned.id: ConversationLog(cut.recorder.events)},
        )
        assert cluster.play() is None
        assert len(cluster.requests) == count


def test_a_conversation_that_the_plan_lacks_travels_itself(tmp_path: Path) -> None:
    """As fresh attempts that confirm a case do."""
    planned = conversations(3)
    cluster = FakeCluster(kit=FakeKit(conversations=planned[:1]), folder=tmp_path, planned=planned)
    assert cluster.play() is None
    assert cluster.gists == locally(planned)


def test_recorded_replies_travel_with_their_conversation(tmp_path: Path) -> None:
    """In a replay nothing is sent, and what was not recorded says so."""
    planned = conversations(3)
    (tmp_path / "first").mkdir()
    first = FakeCluster(kit=FakeKit(conversations=planned[:2]), folder=tmp_path / "first")
    assert first.play() is None
    recording = Recording([read_history(tmp_path / "first" / "journal.jsonl")])
    (tmp_path / "again").mkdir()
    again = FakeCluster(
        kit=FakeKit(conversations=planned, api=None),
        folder=tmp_path / "again",
        recorded=lambda conversation: recording.of(conversation.identity),
    )
    assert again.play() is None
    assert again.gists[:2] == first.gists
    lacks = f"not recorded: the recording has no conversation {planned[2].id}"
    assert again.gists[2][1:3] == (Outcome.ERRORED, lacks)


def test_who_watches_hears_of_it_as_on_one_machine(tmp_path: Path) -> None:
    """Who is asked, how many are under way, what is waited for, and the lines of players."""
    kit = FakeKit(conversations=conversations(3), api=FakeApi(FakeMessages(answer=_busy_at_first)))
    cluster = FakeCluster(kit=kit, folder=tmp_path, cap=Decimal("0.15"))
    assert cluster.play() is None
    assert {name for name, _ in cluster.progress.asked} == {each.id for each in kit.conversations}
    assert cluster.progress.peak > 0
    assert {what for what, _, _ in cluster.progress.waits} == {"claude-haiku-5-5"}
    assert cluster.spending.paid_usd == Decimal("0.06")


def _busy_at_first(request: Request, number: int) -> dict[str, Any] | Failure:
    return failure(429) if number == 1 else echo(request, number)
