"""The one place that lets requests out: what it leases, takes back, settles and tells."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.cluster.actors import ActorLostError
from claude_run.cluster.pace import (
    Answered,
    Asking,
    Grant,
    Halted,
    OpenLease,
    Outage,
    Over,
    Pace,
    Resumed,
    Said,
    Terms,
    Waiting,
    Wants,
    Withdrawn,
)
from claude_run.errors import ExitCode
from claude_run.play.ports import FailedRequest, Wanted
from claude_run.play.stop import Halt
from tests.unit.cluster.fakes import passed, run
from tests.unit.play.fakes import LoopClock, failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from claude_run.cluster.pace import Message, News

STOPPED = Halt(code=ExitCode.INTERRUPTED, reason="interrupted")
WORST = Decimal("0.02")


def wanted(key: str = "k", *, worst_usd: Decimal | None = WORST) -> Wanted:
    """Return a request to be let out."""
    return Wanted(
        conversation_id="c", key=key, n=1, model="m", prefix=None, worst_usd=worst_usd, within_s=600.0
    )


def with_pace(work: Callable[[Pace], Awaitable[None]], **terms: Any) -> None:
    """Do something with a pace of these terms."""

    async def opened() -> None:
        pace = Pace(LoopClock())
        await pace.open(Terms(**{"concurrency": 1, **terms}))
        await work(pace)

    run(opened())


async def admit(pace: Pace, player: str, ticket: int, wanted: Wanted) -> Grant | Halted | None:
    """Ask for a lease as a player does, and return the answer; None for a player that was given up."""
    await pace.tell(player, [Wants(ticket=ticket, wanted=wanted)])
    try:
        while True:
            _, answers = await pace.answers(player)
            if ticket in answers:
                return answers[ticket]
    except ActorLostError:
        return None


async def _money(pace: Pace) -> tuple[object, ...]:
    news = await pace.news()
    return news.paid_usd, news.spent_usd, news.in_flight


def test_a_lease_holds_a_place_and_money_until_it_is_given_back() -> None:
    """The next one, of whichever player, is let out then; what is unknown counts at its worst."""

    async def work(pace: Pace) -> None:
        first = await admit(pace, "p", 0, wanted())
        assert isinstance(first, Grant)
        assert (first.at, first.worst_usd) == (asyncio.get_running_loop().time(), WORST)
        second = asyncio.create_task(admit(pace, "q", 0, wanted()))
        await passed()
        assert not second.done()
        assert await _money(pace) == (0, 0, 1)
        await pace.tell("p", [Over(ticket=0, paid_usd=Decimal("0.01"))])
        assert isinstance(await second, Grant)
        await pace.tell("q", [Over(ticket=0, paid_usd=None)])
        assert await _money(pace) == (Decimal("0.01"), Decimal("0.03"), 0)

    with_pace(work, cap_usd=Decimal(1))


@pytest.mark.parametrize("when", ["at once", "while it waits", "after"])
def test_a_ticket_may_be_withdrawn_whenever(when: str) -> None:
    """With the wish itself, while it waits, once it is granted: it costs nothing, and the next one goes."""

    async def work(pace: Pace) -> None:
        if when == "at once":
            await pace.tell("p", [Wants(ticket=0, wanted=wanted()), Withdrawn(ticket=0)])
        elif when == "while it waits":
            assert isinstance(await admit(pace, "q", 0, wanted()), Grant)
            await pace.tell("p", [Wants(ticket=0, wanted=wanted())])
            await passed()
            await pace.tell("p", [Withdrawn(ticket=0)])
            await pace.tell("q", [Withdrawn(ticket=0)])
        else:
            assert isinstance(await admit(pace, "p", 0, wanted()), Grant)
            await pace.tell("p", [Withdrawn(ticket=0)])
        assert await _money(pace) == (0, 0, 0)
        assert isinstance(await admit(pace, "p", 1, wanted()), Grant)
        await pace.tell("p", [Over(ticket=1, paid_usd=None)])
        assert isinstance(await admit(pace, "p", 2, wanted()), Halted)

    with_pace(work, cap_usd=Decimal(1), max_requests=1)


@pytest.mark.parametrize("steps", range(8))
def test_a_ticket_withdrawn_as_it_is_granted_holds_nothing(steps: int) -> None:
    """At whatever step of the way to its place, and when it has it."""

    async def work(pace: Pace) -> None:
        await pace.tell("p", [Wants(ticket=0, wanted=wanted())])
        for _ in range(steps):
            await asyncio.sleep(0)
        await pace.tell("p", [Withdrawn(ticket=0)])
        assert await _money(pace) == (0, 0, 0)
        assert isinstance(await admit(pace, "p", 1, wanted()), Grant)

    with_pace(work, cap_usd=Decimal(1))


def test_a_cap_that_allows_no_more_halts_everybody() -> None:
    """Whoever asks is told why, and so is the driver."""

    async def work(pace: Pace) -> None:
        answer = await admit(pace, "p", 0, wanted(worst_usd=Decimal(2)))
        assert isinstance(answer, Halted)
        assert answer.halt.code is ExitCode.CAPPED
        assert await admit(pace, "q", 0, wanted()) == answer
        assert (await pace.news()).halt == answer.halt

    with_pace(work, cap_usd=Decimal(1))


def test_a_cap_lets_no_request_out_whose_price_nobody_knows() -> None:
    """It could cost anything."""

    async def work(pace: Pace) -> None:
        answer = await admit(pace, "p", 0, wanted(worst_usd=None))
        assert isinstance(answer, Halted)
        assert "without a known price" in answer.halt.reason

    with_pace(work, cap_usd=Decimal(1))


def test_what_earlier_processes_spent_and_sent_counts() -> None:
    """A cap is one of the run, however often it was resumed."""

    async def work(pace: Pace) -> None:
        assert await _money(pace) == (0, Decimal("0.9"), 0)
        assert isinstance(await admit(pace, "p", 0, wanted()), Grant)
        answer = await admit(pace, "p", 1, wanted())
        assert isinstance(answer, Halted)
        assert answer.halt.reason == "stopped by --max-requests 4, 3 of them before it went on"

    with_pace(work, cap_usd=Decimal(1), spent_usd=Decimal("0.9"), attempts=3, max_requests=4, concurrency=2)


def test_a_stop_sends_all_away_that_wait() -> None:
    """What was leased stays so until it is given back."""

    async def work(pace: Pace) -> None:
        assert isinstance(await admit(pace, "p", 0, wanted()), Grant)
        waiting = [asyncio.create_task(admit(pace, player, 1, wanted())) for player in ("p", "q")]
        await passed()
        await pace.stop(STOPPED)
        assert [await each for each in waiting] == [Halted(halt=STOPPED)] * 2
        assert await pace.failed(_failed(401)) == Halted(halt=STOPPED)
        assert await _money(pace) == (0, 0, 1)
        await pace.tell("p", [Over(ticket=0, paid_usd=Decimal("0.01"))])
        assert await _money(pace) == (Decimal("0.01"), Decimal("0.01"), 0)

    with_pace(work, cap_usd=Decimal(1))


def test_what_a_lost_player_held_is_settled_by_what_is_known_of_it() -> None:
    """Paid, at its worst, or never used; what waits is sent away, and late messages change nothing."""

    async def work(pace: Pace) -> None:
        for ticket in range(3):
            await admit(pace, "p", ticket, wanted(f"k{ticket}"))
        waiting = asyncio.create_task(admit(pace, "p", 3, wanted()))
        await passed()
        held = await pace.lost("p")
        assert held == tuple(
            OpenLease(ticket=ticket, conversation_id="c", key=f"k{ticket}", n=1) for ticket in range(3)
        )
        assert await waiting is None
        late: list[Message] = [Over(ticket=0, paid_usd=Decimal(0)), Withdrawn(ticket=1), Said(line="late")]
        await pace.tell("p", late)
        assert await pace.lost("p") == held
        await pace.settle("p", {0: Decimal("0.01"), 1: None})
        await pace.tell("p", late)
        assert await admit(pace, "p", 4, wanted()) is None
        news = await pace.news()
        assert (news.paid_usd, news.spent_usd, news.in_flight) == (Decimal("0.01"), Decimal("0.03"), 0)
        assert news.told == ()
        # One of the three was never used: it may be used by others, and only it.
        assert isinstance(await admit(pace, "q", 0, wanted()), Grant)
        assert isinstance(await admit(pace, "q", 1, wanted()), Halted)

    with_pace(work, cap_usd=Decimal(1), concurrency=3, max_requests=3)


def test_a_player_that_is_lost_before_it_has_asked_holds_nothing() -> None:
    """There is nothing to settle."""

    async def work(pace: Pace) -> None:
        assert await pace.lost("p") == ()
        await pace.settle("p", {})
        assert await admit(pace, "p", 0, wanted()) is None

    with_pace(work)


def test_a_lease_that_was_given_before_a_stop_may_be_used_after_it() -> None:
    """As on one machine, where what was let out leaves; of a player that is lost nothing is given anew."""

    async def work(pace: Pace) -> None:
        await admit(pace, "p", 0, wanted())
        await pace.stop(Halt(code=ExitCode.CAPPED, reason="enough"))
        assert isinstance(await pace.renew("p", 0), float)
        await pace.lost("p")
        await pace.settle("p", {})
        assert await pace.renew("p", 0) is None

    with_pace(work)


def test_a_lease_is_renewed_with_its_place_and_money() -> None:
    """Its time begins anew; nothing is set aside twice."""

    async def work(pace: Pace) -> None:
        await admit(pace, "p", 0, wanted())
        await asyncio.sleep(3)
        assert await pace.renew("p", 0) == asyncio.get_running_loop().time()
        await pace.tell("p", [Over(ticket=0, paid_usd=None)])
        assert await _money(pace) == (0, WORST, 0)

    with_pace(work, cap_usd=WORST)


def test_news_come_in_order_and_soon() -> None:
    """Within a second where nothing happens, sooner where something does; each is told once."""

    async def work(pace: Pace) -> None:
        begin = asyncio.get_running_loop().time()
        assert (await pace.news()).told == ()
        assert asyncio.get_running_loop().time() - begin == pytest.approx(1.0)
        said: list[Asking | Said] = [
            Asking(conversation_id="c", turn=0),
            Said(line="one"),
            Asking(conversation_id="c", turn=None),
        ]
        await pace.tell("p", said[:2])
        await pace.tell("q", said[2:])
        assert [*(await pace.news()).told] == said
        assert (await pace.news()).told == ()
        waiting: asyncio.Task[News] = asyncio.create_task(pace.news())
        await passed()
        begin = asyncio.get_running_loop().time()
        await pace.tell("p", [Said(line="two")])
        assert [*(await waiting).told] == [Said(line="two")]
        assert asyncio.get_running_loop().time() - begin < 0.2

    with_pace(work)


def test_the_last_news_are_told_at_once_and_nobody_waits_any_more() -> None:
    """At the end of a run: what has come by then, whatever whoever waited has got of it before."""

    async def work(pace: Pace) -> None:
        waiting: asyncio.Task[News] = asyncio.create_task(pace.news())
        await passed()
        begin = asyncio.get_running_loop().time()
        await pace.tell("p", [Said(line="last")])
        rest = await pace.news(at_once=True)
        assert asyncio.get_running_loop().time() == begin
        assert [*(await waiting).told, *rest.told] == [Said(line="last")]
        assert asyncio.get_running_loop().time() - begin < 0.2

    with_pace(work)


def test_failures_are_decided_on_and_told() -> None:
    """A retry says how long to wait; an outage ends with a reply; what all would fail in ends the run."""

    async def work(pace: Pace) -> None:
        assert isinstance(await pace.failed(_failed(429)), float)
        told = (await pace.news()).told
        assert [type(each) for each in told] == [Waiting]
        for attempts in range(2, 40):
            await asyncio.sleep(5)
            await pace.failed(_failed(529, lasted_s=5.0 * attempts, attempts=attempts))
        assert Outage in {type(each) for each in (await pace.news()).told}
        await pace.tell("p", [Answered(model="m", headers={}, other=None)])
        assert [*(await pace.news()).told] == [Resumed(what="m")]
        assert isinstance(await pace.failed(_failed(401)), Halted)

    with_pace(work)


def _failed(status: int, *, lasted_s: float = 0.0, attempts: int = 1) -> FailedRequest:
    return FailedRequest(
        model="m",
        key="k",
        failure=failure(status),
        lasted_s=lasted_s,
        attempts=attempts,
        billed=0,
        left_s=3600.0,
    )
