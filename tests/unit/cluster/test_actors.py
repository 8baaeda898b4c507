"""Links between processes, and leases by clocks that differ."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from claude_run.cluster.actors import ActorLostError, Link
from claude_run.cluster.leased import LeasedPace
from claude_run.cluster.pace import LEASE_S, Pace, Terms
from claude_run.errors import MeasureError
from claude_run.play.ports import Wanted
from claude_run.play.stop import StopSignal
from tests.unit.cluster.fakes import FakeActor, Network, passed, run
from tests.unit.play.fakes import LoopClock

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_a_link_carries_all_in_order_one_call_at_a_time() -> None:
    """What gathers while a call is under way goes together with the next."""
    calls: list[list[int]] = []
    under_way = 0

    async def carry(items: Sequence[int]) -> None:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await asyncio.sleep(1)
        calls.append(list(items))
        under_way -= 1

    async def work() -> None:
        link = Link(carry)
        await link.delivered()
        link.put(1, 2)
        await asyncio.sleep(0.5)
        link.put(3)
        link.put(4, 5)
        await link.delivered()
        assert calls == [[1, 2], [3, 4, 5]]
        link.put(6)
        link.put()
        await link.delivered()
        assert calls == [[1, 2], [3, 4, 5], [6]]

    run(work())


def test_delivered_waits_for_what_was_put_before_alone() -> None:
    """Who waits does not wait for what others put later."""
    carried: list[int] = []

    async def carry(items: Sequence[int]) -> None:
        await asyncio.sleep(1)
        carried.extend(items)

    async def work() -> None:
        link = Link(carry)
        link.put(1)
        first = asyncio.create_task(link.delivered())
        await asyncio.sleep(0.5)
        link.put(2)
        await first
        assert carried == [1]
        await link.delivered()
        assert carried == [1, 2]

    run(work())


def test_the_first_error_of_a_link_is_final() -> None:
    """Who waits gets it, who puts anything later, and who waits later."""
    tried: list[Sequence[int]] = []

    async def carry(items: Sequence[int]) -> None:
        tried.append(items)
        await asyncio.sleep(1)
        raise ActorLostError("gone")

    async def work() -> None:
        link = Link(carry)
        link.put(1)
        waiting = [asyncio.create_task(link.delivered()) for _ in range(2)]
        await asyncio.sleep(0.5)
        link.put(2)
        for waiter in waiting:
            with pytest.raises(ActorLostError, match="gone"):
                await waiter
        with pytest.raises(ActorLostError, match="gone"):
            link.put(3)
        with pytest.raises(ActorLostError, match="gone"):
            await link.delivered()
        assert tried == [[1]]

    run(work())


def test_who_stops_waiting_stops_nothing() -> None:
    """What was put is carried though the conversation that waited for it was ended."""
    carried: list[int] = []

    async def carry(items: Sequence[int]) -> None:
        await asyncio.sleep(1)
        carried.extend(items)

    async def work() -> None:
        link = Link(carry)
        link.put(1)
        waiting = asyncio.create_task(link.delivered())
        await passed()
        waiting.cancel()
        await asyncio.wait({waiting})
        await link.delivered()
        assert carried == [1]

    run(work())


class ShiftedClock(LoopClock):
    """A clock of another machine, so many seconds ahead of the loop's."""

    def __init__(self, ahead_s: float) -> None:
        self.ahead_s = ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


class SlowActor(FakeActor):
    """An actor whose answers take as long as a test says."""

    there_s = 0.0
    back_s = 0.0

    async def call(self, method: str, *arguments: object, **keywords: object) -> object:
        await asyncio.sleep(self.there_s)
        answer: object = await super().call(method, *arguments, **keywords)
        await asyncio.sleep(self.back_s)
        return answer


@pytest.mark.parametrize("ahead_s", [-7200.0, 0.0, 7200.0])
@pytest.mark.parametrize(("there_s", "back_s"), [(0.0, 0.0), (0.1, 0.0), (3.0, 0.0), (0.0, 3.0), (3.0, 0.2)])
@pytest.mark.parametrize("idle_s", [0.0, 0.2, 0.6])
def test_a_lease_is_used_soon_after_it_was_given(
    ahead_s: float, there_s: float, back_s: float, idle_s: float
) -> None:
    """By the clock of the pace, whatever ours shows and however long calls take; or else it is given anew."""
    clock = LoopClock()

    async def work() -> None:
        actor = SlowActor(Network(latest_s=0.0), lambda: Pace(clock))
        await actor.call("open", Terms(concurrency=4))
        pace = actor.process.object

        async def written() -> None:
            """Return at once."""

        leased = LeasedPace(actor, "p", written=written, stop=StopSignal(), clock=ShiftedClock(ahead_s))
        async with leased.admitted(_wanted("first")):
            pass  # an answer that comes soon tells how far the clocks are apart at most
        await leased.told.delivered()
        actor.there_s, actor.back_s = there_s, back_s
        async with leased.admitted(_wanted("second")) as lease:
            await asyncio.sleep(idle_s)
            actor.back_s = 0.0
            renewals = actor.calls.count("renew")
            await lease.confirm()
            given = [each.given_at for each in pace._players["p"].open.values()]  # noqa: SLF001 - by its own clock
            assert clock.monotonic() - given[0] < LEASE_S
            # Asked for and given within the time it needs no call.
            if there_s + back_s + idle_s < LEASE_S:
                assert actor.calls.count("renew") == renewals
        await leased.told.delivered()

    run(work())


def test_a_pace_that_is_too_far_away_is_an_error() -> None:
    """No lease could be used in time: nothing is sent, and nobody asks for ever."""
    clock = LoopClock()

    async def work() -> None:
        actor = SlowActor(Network(latest_s=0.0), lambda: Pace(clock))
        await actor.call("open", Terms(concurrency=4))

        async def written() -> None:
            """Return at once."""

        actor.there_s = actor.back_s = LEASE_S
        leased = LeasedPace(actor, "p", written=written, stop=StopSignal(), clock=clock)
        async with leased.admitted(_wanted("first")) as lease:
            with pytest.raises(MeasureError, match="answers too late"):
                await lease.confirm()
        await leased.told.delivered()

    run(work())


def _wanted(key: str) -> Wanted:
    return Wanted(
        conversation_id="c", key=key, n=1, model="m", prefix=None, worst_usd=Decimal("0.02"), within_s=600.0
    )


def test_what_a_request_has_cost_is_told_once_the_journal_has_it() -> None:
    """A player that is lost before leaves a lease, which is settled by what the journal says."""

    async def work() -> None:
        actor = FakeActor(Network(), lambda: Pace(LoopClock()))
        await actor.call("open", Terms(concurrency=4, cap_usd=Decimal(1)))
        in_the_journal = asyncio.Event()

        async def written() -> None:
            await in_the_journal.wait()

        leased = LeasedPace(actor, "p", written=written, stop=StopSignal(), clock=LoopClock())

        async def ask() -> None:
            async with leased.admitted(_wanted("k")) as lease:
                lease.paid_usd = Decimal("0.01")

        asking = asyncio.create_task(ask())
        await passed(1.0)
        news = await actor.call("news")
        assert (news.in_flight, news.spent_usd) == (1, 0)
        in_the_journal.set()
        await asking
        await leased.told.delivered()
        news = await actor.call("news")
        assert (news.in_flight, news.spent_usd) == (0, Decimal("0.01"))

    run(work())
