"""A rate: whatever is on its way for how long, no window of 10 s has more than the limit allows."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.play.rate import MINUTE_S, WAY_S, WINDOW_S, Rate, most_in_window

LIMITS = st.one_of(st.integers(60, 600), st.sampled_from([1_000, 4_000, 10_000]))
WAYS_S = st.lists(st.floats(0.0, WAY_S), min_size=1, max_size=7)
TIMES_S = st.floats(0.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """When a request left, the limit known by then, and when it arrived."""

    at: float
    limit: int | None
    arrived: float


@dataclass(kw_only=True)
class Crowd:
    """All that may leave do so at once, and then are on their way, for `ways_s` in turn, again and again.

    Until `slow_until` all take as long as they may, so that they arrive together with those after them.
    `late_s` is how much later than asked for whoever waits looks again.
    """

    ways_s: list[float] = field(default_factory=lambda: [0.0])
    slow_until: float = 0.0
    late_s: float = 0.0
    now: float = 0.0
    limit: int | None = None
    rate: Rate = field(default_factory=Rate)
    departures: list[Departure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ways = itertools.cycle(self.ways_s)

    def leave(self, until: float, *, most: float = math.inf) -> int:
        """Let all out that may leave before then, at most so many; return how many there were."""
        came = 0
        while self.now < until:
            wait_s = self.rate.wait_s(self.now) if came < most else math.inf
            if wait_s > 0:
                self.now = min(self.now + wait_s + self.late_s, until)
                continue
            self.rate.left(self.now)
            way_s = WAY_S if self.now < self.slow_until else next(self._ways)
            self.departures.append(Departure(at=self.now, limit=self.limit, arrived=self.now + way_s))
            came += 1
        return came

    def learn(self, limit: int, *, remaining: int | None = None, reset_s: float = 0.0) -> None:
        """Have an answer tell a limit."""
        self.limit = limit
        self.rate.told(self.now, limit=limit, remaining=remaining, reset_s=reset_s)

    def assert_bounded(self) -> None:
        """Assert that every window holds no more than the limit allows that its last departure knew."""
        arrived = sorted(self.departures, key=lambda each: each.arrived)
        first, newest = 0, arrived[0]
        for number, last in enumerate(arrived):
            while arrived[first].arrived < last.arrived - WINDOW_S:
                first += 1
            newest = max(newest, last, key=lambda each: each.at)
            if newest.limit is not None:
                assert number + 1 - first <= most_in_window(newest.limit), (last, newest)


@given(limit=LIMITS, ways_s=WAYS_S, slow_until=TIMES_S, late_s=st.floats(0.0, 0.05))
@settings(deadline=None, max_examples=60)
def test_no_window_has_more_than_the_limit_allows(
    limit: int, ways_s: list[float], slow_until: float, late_s: float
) -> None:
    """However long each is on its way, up to the lease time, and however late somebody looks at the clock."""
    crowd = Crowd(ways_s=ways_s, slow_until=slow_until, late_s=late_s)
    crowd.learn(limit)
    crowd.leave(30.0)
    crowd.assert_bounded()


def test_the_largest_limit_holds_as_well() -> None:
    """A thousand requests a second, a third of them on their way for as long as they may be."""
    crowd = Crowd(slow_until=7.0)
    crowd.learn(60_000)
    left = crowd.leave(21.0)
    crowd.assert_bounded()
    assert left >= 0.95 * 1000 * 21


@given(
    limits=st.lists(st.tuples(LIMITS, st.floats(0.1, 15.0)), min_size=2, max_size=5),
    ways_s=WAYS_S,
    before=st.integers(0, 200),
    first_reply_s=st.floats(0.0, 12.0),
)
@settings(deadline=None, max_examples=60)
def test_a_limit_that_changes_is_followed_at_once(
    limits: list[tuple[int, float]], ways_s: list[float], before: int, first_reply_s: float
) -> None:
    """What left before it was known, or under a higher one, counts against it."""
    crowd = Crowd(ways_s=ways_s)
    crowd.leave(first_reply_s, most=before)
    for limit, holds_s in limits:
        crowd.learn(limit)
        crowd.leave(crowd.now + holds_s)
    if crowd.departures:
        crowd.assert_bounded()


@given(limit=st.integers(1, 20_000))
@settings(deadline=None, max_examples=60)
def test_nearly_all_of_the_limit_is_used(limit: int) -> None:
    """At least 95 % of it where there is always somebody who waits."""
    crowd = Crowd()
    crowd.learn(limit)
    lasts_s = max(30.0, 3 * MINUTE_S / limit)
    assert crowd.leave(lasts_s) >= math.floor(0.95 * limit * lasts_s / MINUTE_S)


@pytest.mark.parametrize(
    ("limit", "most"),
    [(1, 1), (6, 1), (11, 2), (60, 10), (64, 11), (117, 20), (118, 20), (600, 102), (60_000, 10_200)],
)
def test_a_window_holds_a_whole_number(limit: int, most: int) -> None:
    """Of a few small limits one more than 1.02 times a sixth, where one less would be too slow."""
    assert most_in_window(limit) == most


def test_from_118_a_minute_on_no_window_is_rounded_up() -> None:
    """What is promised holds there to the letter, and below to less than one request."""
    excess = {limit: most_in_window(limit) - 1.02 * limit / 6 for limit in range(1, 60_001)}
    assert max(limit for limit in excess if excess[limit] > 1e-9) == 117
    assert max(excess.values()) < 1


@given(limit=LIMITS, unused=st.lists(st.booleans(), min_size=1, max_size=20))
@settings(deadline=None, max_examples=40)
def test_another_leaves_in_the_place_of_one_that_did_not(limit: int, unused: list[bool]) -> None:
    """So nothing is lost by permits that come back, and no window has more for it."""
    crowd = Crowd()
    crowd.learn(limit)
    for is_unused in itertools.islice(itertools.cycle(unused), 3 * len(unused)):
        crowd.leave(crowd.now + 1.0)
        if is_unused and crowd.departures:
            crowd.rate.unused(crowd.departures.pop().at, crowd.now)
    if crowd.departures:
        crowd.assert_bounded()


def test_a_permit_that_comes_back_late_makes_no_room() -> None:
    """What was let out more than 10 s ago stands in no window any more: nobody goes in its place."""
    crowd = Crowd()
    crowd.learn(600)
    crowd.leave(15.0)
    crowd.learn(60)
    for _ in range(95):
        crowd.rate.unused(4.0, crowd.now)
    assert crowd.leave(20.0) == 0


def test_a_permit_that_comes_back_in_time_makes_room_at_once() -> None:
    """Even of a limit that lets one out every ten seconds."""
    crowd = Crowd()
    crowd.learn(6)
    assert crowd.leave(0.01) == 1
    crowd.rate.unused(0.0, crowd.now)
    assert crowd.leave(0.02) == 1
    assert crowd.leave(10.0) == 0


@pytest.mark.parametrize("limit", [60, 600, 10_000])
def test_requests_leave_evenly(limit: int) -> None:
    """After a long silence as well, and though twenty were there before the first reply told of a limit."""
    crowd = Crowd()
    crowd.leave(0.2, most=20)
    crowd.learn(limit)
    if 20 * MINUTE_S / limit > 1:
        assert crowd.leave(1.0) == 0
    crowd.leave(40.0)
    crowd.leave(60.0, most=0)
    crowd.leave(70.0)
    times = [each.at for each in crowd.departures if each.at > 1.0]
    for number, at in enumerate(times):
        within = sum(each <= at + 1.0 for each in times[number : number + limit // 50 + 3])
        assert within <= 1.1 * limit / MINUTE_S + 1


def test_what_left_unlimited_delays_no_longer_than_it_counts() -> None:
    """Three hundred of a time when nobody told a limit are not made up for at one a second."""
    crowd = Crowd()
    crowd.leave(0.1, most=300)
    crowd.learn(60)
    assert crowd.leave(10.2) == 0
    assert crowd.leave(13.0) >= 1
    crowd.assert_bounded()


def test_what_others_take_slows_it_down_until_the_reset() -> None:
    """What remains is spread until then; a fresher answer that leaves more is heard at once."""
    crowd = Crowd()
    crowd.learn(600, remaining=20, reset_s=40.0)
    assert 19 <= crowd.leave(40.0) <= 21
    assert crowd.leave(50.0) > 90
    crowd.learn(600, remaining=1, reset_s=60.0)
    assert crowd.leave(70.0) <= 2
    crowd.learn(600, remaining=500, reset_s=10.0)
    assert crowd.leave(80.0) > 90
    crowd.assert_bounded()


def test_scarcity_ends_with_the_reset() -> None:
    """Whoever is in debt then waits no longer at the slow rate."""
    crowd = Crowd()
    crowd.leave(0.1, most=20)
    crowd.learn(600, remaining=1, reset_s=3.0)
    assert crowd.leave(3.0) <= 1
    assert crowd.leave(10.0) >= 45


def test_two_who_know_nothing_of_each_other_share_the_limit() -> None:
    """One takes half of it whatever comes; the other finds its half by what remains, with no refusal."""
    crowd = Crowd()
    tokens, limit = 600.0, 600
    for _ in range(600):
        crowd.learn(limit, remaining=int(tokens), reset_s=(limit - tokens) / 10)
        ours = crowd.leave(crowd.now + 0.5)
        tokens = min(limit, tokens + 5.0 - ours - 2.5)
        assert tokens > 0
    last_minute = sum(each.at > 240.0 for each in crowd.departures)
    assert 270 <= last_minute <= 330


@pytest.mark.parametrize("reset_s", [0.0, 1.0, 59.0, 600.0])
def test_whoever_is_alone_is_not_slowed_down(reset_s: float) -> None:
    """A bucket that is nearly full counts as that, whatever the clock of the API says."""
    crowd = Crowd()
    crowd.learn(600, remaining=599, reset_s=reset_s)
    assert crowd.leave(20.0) >= 190
