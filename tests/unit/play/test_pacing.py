"""A lane to one model: slow start, growth, halving, pauses."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from claude_run.play.pacing import AFTER_OUTAGE, BEFORE_LIMIT, START, AdaptivePacing, ModelPacer
from tests.unit.play.fakes import EPOCH, LoopClock, run

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE_LEFT = {"anthropic-ratelimit-requests-remaining": "0"}


class SetClock(LoopClock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def lane(ceiling: int = 64, clock: LoopClock | None = None) -> ModelPacer:
    """Return a fresh lane."""
    return ModelPacer(ceiling=ceiling, clock=clock or SetClock())


@pytest.mark.parametrize(
    ("ceiling", "sizes"), [(1, [1]), (20, [20]), (64, [32, 64]), (30, [START, 30]), (400, [200, 400])]
)
def test_a_lane_starts_at_half_and_doubles_with_a_full_window(ceiling: int, sizes: list[int]) -> None:
    """Each reply lets one more request out, until the user's ceiling; twenty go out at once in any case."""
    narrow = lane(ceiling)
    found = [narrow.limit]
    while narrow.limit < ceiling:
        for _ in range(narrow.limit):
            narrow.replied({})
        found.append(narrow.limit)
    assert found == sizes
    narrow.replied({})
    assert narrow.limit == ceiling


def test_a_ceiling_below_the_start_holds() -> None:
    """`-j 1` means one at a time."""
    narrow = lane(1)
    narrow.replied({})
    narrow.throttled(1.0)
    assert narrow.limit == 1


def test_a_throttle_halves_once_for_all_that_were_refused_together() -> None:
    """A burst of 429s is one event; a second later another one counts again."""
    clock = SetClock()
    wide = lane(16, clock)
    for _ in range(20):
        wide.replied({})
    assert wide.limit == 16
    for _ in range(10):
        wide.throttled(5.0)
    assert wide.limit == 8
    clock.seconds = 1.1
    wide.throttled(5.0)
    assert wide.limit == 4


def test_above_the_last_throttle_a_lane_grows_by_one_per_window() -> None:
    """What has once been too much is approached slowly."""
    wide = lane(16)
    for _ in range(20):
        wide.replied({})
    wide.throttled(0.0)
    growth = []
    for _ in range(8 + 9):
        wide.replied({})
        growth.append(wide.limit)
    assert growth == [8] * 7 + [9] * 9 + [10]


def test_no_more_requests_than_the_limit_are_let_out_and_none_in_a_pause() -> None:
    """A place comes free when another request is over, and a longer pause replaces a shorter one only."""

    async def play() -> tuple[int, list[float]]:
        narrow = ModelPacer(ceiling=2, clock=LoopClock())
        active = peak = 0
        begun: list[float] = []

        async def request() -> None:
            nonlocal active, peak
            async with narrow.slot():
                active += 1
                peak = max(peak, active)
                begun.append(LoopClock().monotonic())
                await asyncio.sleep(1.0)
                active -= 1

        narrow.pause(10.0)
        narrow.pause(3.0)
        await asyncio.gather(*(request() for _ in range(4)))
        return peak, begun

    assert run(play()) == (2, [10.0, 10.0, 11.0, 11.0])


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({**NONE_LEFT, "anthropic-ratelimit-requests-reset": "2026-11-23T12:00:07Z"}, 7.0),
        ({**NONE_LEFT, "anthropic-ratelimit-requests-reset": "2026-11-23T11:00:00Z"}, 0.0),
        ({**NONE_LEFT, "anthropic-ratelimit-requests-reset": "2026-11-23T12:05:00Z"}, 300.0),
        ({**NONE_LEFT, "anthropic-ratelimit-requests-reset": "2026-11-23T12:05:01Z"}, 0.0),
        ({**NONE_LEFT, "anthropic-ratelimit-requests-reset": "2099-01-01T00:00:00Z"}, 0.0),
        ({**NONE_LEFT, "anthropic-ratelimit-requests-reset": "9999-12-31T23:59:59-14:00"}, 0.0),
        ({**NONE_LEFT, "anthropic-ratelimit-requests-reset": "0001-01-01T00:00:00+14:00"}, 0.0),
        ({**NONE_LEFT, "anthropic-ratelimit-requests-reset": "soon"}, 0.0),
        ({**NONE_LEFT, "anthropic-ratelimit-requests-reset": "1e300"}, 0.0),
        (NONE_LEFT, 0.0),
        (
            {
                "anthropic-ratelimit-requests-remaining": "1",
                "anthropic-ratelimit-requests-reset": "2026-11-23T12:00:07Z",
            },
            0.0,
        ),
    ],
)
def test_a_lane_without_requests_left_waits_for_the_reset(headers: Mapping[str, str], pause: float) -> None:
    """The headers of a good reply pause the lane before the API has to refuse anything, within bounds.

    What is further away than that, or no time at all, is left to the API's own refusal.
    """
    assert EPOCH.startswith("2026-11-23T12:00:00")

    async def play() -> tuple[float, float]:
        narrow = ModelPacer(ceiling=2, clock=LoopClock())
        told = narrow.replied(headers)
        async with narrow.slot():
            return told, LoopClock().monotonic()

    told, waited = run(play())
    assert told == pytest.approx(pause)
    assert waited == pytest.approx(pause)


@pytest.mark.parametrize("kind", ["tokens", "input-tokens", "output-tokens"])
def test_a_lane_without_tokens_left_waits_as_well(kind: str) -> None:
    """Whatever is used up, the next request would be refused; the longest wait within bounds counts."""
    headers = {
        "anthropic-ratelimit-requests-remaining": "7",
        "anthropic-ratelimit-requests-reset": "2026-11-23T12:00:59Z",
        f"anthropic-ratelimit-{kind}-remaining": "0",
        f"anthropic-ratelimit-{kind}-reset": "2026-11-23T12:00:08Z",
    }
    assert lane().replied(headers) == pytest.approx(8.0)
    requests = {**NONE_LEFT, "anthropic-ratelimit-requests-reset": "2026-11-23T12:00:03Z"}
    assert lane().replied({**headers, **requests}) == pytest.approx(8.0)
    requests["anthropic-ratelimit-requests-reset"] = "2099-01-01T00:00:00Z"
    assert lane().replied({**headers, **requests}) == pytest.approx(8.0)


async def sent_evenly(pacing: AdaptivePacing, limit: str | None, *, requests: int) -> list[float]:
    """Send requests that take half a second each; return when they left."""
    left: list[float] = []
    headers = {} if limit is None else {"anthropic-ratelimit-requests-limit": limit}

    async def request() -> None:
        async with pacing.slot("model"):
            left.append(LoopClock().monotonic())
            await asyncio.sleep(0.5)
            pacing.replied("model", headers)

    await asyncio.gather(*(request() for _ in range(requests)))
    return left


def most_within_10_s(moments: list[float]) -> int:
    """Return how many there are in the fullest window."""
    return max(sum(first <= each <= first + 10.0 for each in moments) for first in moments)


def test_requests_leave_evenly_once_a_reply_tells_the_limit() -> None:
    """Four before the first reply; all of them count, and nearly all of the limit is used from then on."""
    pacing = AdaptivePacing(ceiling=400, clock=LoopClock(), evenly=True)
    left = run(sent_evenly(pacing, "600", requests=600))
    assert sum(moment < 0.5 for moment in left) == BEFORE_LIMIT
    assert most_within_10_s(left) <= 102
    assert max(left) <= 60 / 0.95


def test_a_known_limit_needs_no_slow_start() -> None:
    """As many as in one process may be under way once it is told, unless the API has refused some before."""
    told = {"anthropic-ratelimit-requests-limit": "60000"}
    wide, refused, untold = (ModelPacer(ceiling=400, clock=SetClock(), evenly=True) for _ in range(3))
    refused.throttled(1.0)
    for pacer, headers in ((wide, told), (refused, told), (untold, {})):
        pacer.replied(headers)
    assert (wide.limit, refused.limit, untold.limit) == (200, BEFORE_LIMIT // 2, BEFORE_LIMIT + 1)


@pytest.mark.parametrize("limit", ["0", "-1", "many", "", "1" * 30, "1" * 5000, "1e9", "60.0", "٦٠", " 60"])
def test_a_limit_beyond_belief_changes_nothing(limit: str) -> None:
    """What cannot be a limit per minute holds nobody back."""
    told, untold = (AdaptivePacing(ceiling=400, clock=LoopClock(), evenly=True) for _ in range(2))
    left = run(sent_evenly(told, limit, requests=600))
    assert left == run(sent_evenly(untold, None, requests=600))
    assert max(left) < 5.0


def test_requests_leave_as_they_come_where_one_process_sends() -> None:
    """Unless asked for, the limit that replies tell of changes nothing: the API's refusals do."""
    pacing = AdaptivePacing(ceiling=400, clock=LoopClock())
    assert max(run(sent_evenly(pacing, "60", requests=600))) < 3.0


def test_whoever_waited_for_other_models_leaves_evenly_too() -> None:
    """Places that come free together are worth nothing without a new turn each."""

    async def play() -> list[float]:
        pacing = AdaptivePacing(ceiling=10, clock=LoopClock(), evenly=True)
        pacing.replied("ours", {"anthropic-ratelimit-requests-limit": "600"})
        for _ in range(10):
            pacing.replied("other", {})
        left: list[float] = []

        async def request(model: str, took_s: float) -> None:
            async with pacing.slot(model):
                left.extend([LoopClock().monotonic()] if model == "ours" else [])
                await asyncio.sleep(took_s)

        others = [request("other", 5.0) for _ in range(10)]
        await asyncio.gather(*others, *(request("ours", 0.0) for _ in range(10)))
        return left

    left = run(play())
    assert min(left) == pytest.approx(5.0)
    assert all(later - earlier >= 0.9 / 10 for earlier, later in pairwise(left[1:]))
    assert max(left) <= 5.0 + 10 / 9.5


def test_a_permit_that_ran_out_needs_another_turn_and_keeps_its_place() -> None:
    """It waits for the rate and for pauses, not for a place; an unused one lets another out at once."""

    async def play() -> tuple[float, float, float]:
        clock = LoopClock()
        pacing = AdaptivePacing(ceiling=1, clock=clock, evenly=True)
        async with pacing.slot("model"):
            pacing.replied("model", {"anthropic-ratelimit-requests-limit": "6"})
            waiting = asyncio.ensure_future(sent_evenly(pacing, "6", requests=1))
            await pacing.renewed("model", clock.monotonic())
            at_once = clock.monotonic()
            pacing.throttled("model", 20.0)
            await pacing.renewed("model", at_once)
            after_pause = clock.monotonic()
            assert not waiting.done()
        pacing.unused("model", after_pause)
        [last] = await waiting
        return at_once, after_pause, last

    at_once, after_pause, last = run(play())
    assert at_once == 0.0
    assert after_pause == pytest.approx(20.0)
    assert last == pytest.approx(20.0)


async def outage(narrow: ModelPacer, until: float, took_s: float) -> list[float]:
    """Send six requests through a lane until they are answered, which nobody is before `until`."""
    begun: list[float] = []

    async def request() -> None:
        while True:
            async with narrow.slot():
                begun.append(LoopClock().monotonic())
                await asyncio.sleep(took_s)
                if LoopClock().monotonic() >= until:
                    narrow.replied({})
                    return
            narrow.outage(10.0)

    await asyncio.gather(*(request() for _ in range(6)))
    return begun


def test_in_an_outage_one_request_at_a_time_is_let_out_and_a_reply_wakes_all() -> None:
    """The next probe goes out after its pause; once one is answered nobody waits for a further pause."""

    async def play() -> list[float]:
        narrow = ModelPacer(ceiling=3, clock=LoopClock())
        narrow.outage(0.0)
        return await outage(narrow, until=25.0, took_s=1.0)

    assert run(play()) == [0.0, 11.0, 22.0, 33.0, 34.0, 34.0, 34.0, 35.0, 35.0]


def test_a_pause_of_an_outage_ends_with_a_late_reply_to_an_earlier_request() -> None:
    """What was under way when the outage began may be what ends it."""

    async def play() -> float:
        narrow = ModelPacer(ceiling=3, clock=LoopClock())

        async def slow() -> None:
            async with narrow.slot():
                await asyncio.sleep(1.5)
            await asyncio.sleep(0.5)
            narrow.replied({})

        async def late() -> float:
            await asyncio.sleep(1.0)
            narrow.outage(60.0)
            async with narrow.slot():
                return LoopClock().monotonic()

        return (await asyncio.gather(slow(), late()))[1]

    assert run(play()) == 2.0


def test_a_lane_begins_low_again_after_an_outage() -> None:
    """It was not the number of requests that failed, but all that wait would come at once."""
    wide = lane(16)
    for _ in range(20):
        wide.replied({})
    wide.outage(0.0)
    wide.throttled(0.0)
    wide.replied({})
    assert wide.limit == AFTER_OUTAGE + 1
    for _ in range(11):
        wide.replied({})
    assert wide.limit == 16
