"""A lane to one model: slow start, growth, halving, pauses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from claude_run.play.pacing import START, ModelPacer
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


def test_a_lane_starts_low_and_doubles_with_each_full_window() -> None:
    """Each reply lets one more request out, until the user's ceiling."""
    sizes = []
    narrow = lane(20)
    while narrow.limit < 20:
        sizes.append(narrow.limit)
        for _ in range(narrow.limit):
            narrow.replied({})
    assert sizes == [START, 2 * START, 4 * START]
    narrow.replied({})
    assert narrow.limit == 20


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
        ({**NONE_LEFT, "anthropic-ratelimit-requests-reset": "soon"}, 0.0),
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
    """The headers of a good reply pause the lane before the API has to refuse anything."""
    assert EPOCH.startswith("2026-11-23T12:00:00")

    async def play() -> float:
        narrow = ModelPacer(ceiling=2, clock=LoopClock())
        narrow.replied(headers)
        async with narrow.slot():
            return LoopClock().monotonic()

    assert run(play()) == pytest.approx(pause)
