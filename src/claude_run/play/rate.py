"""When the next request to a model may leave, so that the API's limit per minute holds in every short window.

The API fills a bucket of tokens bit by bit, and looks at windows that are shorter than its minute: 60 a
minute may mean one a second. So requests leave evenly, by a bucket of the same kind that hardly holds more
than one token, and nothing is saved up.
"""

from __future__ import annotations

import math
from collections import deque

WINDOW_S = 10.0
"""The window in which the bound holds, wherever it begins, counted where requests arrive."""
WAY_S = 0.25
"""How long a request may be on its way, from the moment it is let out until it arrives."""
MINUTE_S = 60.0

# What arrives within 10 s has left within 10.25 s, so that is the time to count over. The hundredth is for
# both ends of it, and for clocks that round.
_SPAN_S = WINDOW_S + WAY_S + 0.01
# At 98 % of the limit (10.26 + 0.1) x 0.98 + 1 request = 10.15 limits a second + 1 leave within the span,
# which is below the bound of 10.2 from 1,200 a minute on: there the bucket alone keeps it. What left before a
# limit was known, or lowered, and the last request of a small limit, are held by the count.
_FILL = 0.98
_AHEAD_S = 0.1
# The least share of the limit that a bound rounded down must leave.
_WORTHWHILE = 0.95
_NOW_S = 1e-6


class Rate:
    """One bucket for all who send to a model. `now` is always the time on one clock, in seconds.

    Until a limit is told, all may leave, and is counted. From then on no request leaves that would be one
    too many of those that arrive within 10 s: `most_in_window` of the limit that was told last.
    """

    def __init__(self) -> None:
        self._limit: int | None = None
        self._left: deque[float] = deque()
        self._tokens = 0.0
        self._filled_at = -math.inf
        self._full_at = -math.inf
        self._scarce_a_second = math.inf
        self._scarce_until = -math.inf

    @property
    def is_known(self) -> bool:
        """Whether a limit was told."""
        return self._limit is not None

    def wait_s(self, now: float) -> float:
        """Return for how many seconds no request may leave, as far as is known now."""
        if self._limit is None:
            return 0.0
        self._fill(now)
        is_scarce = now < self._scarce_until
        a_second = self._a_second(self._limit)
        wait_s = (1 - self._tokens) / (min(a_second, self._scarce_a_second) if is_scarce else a_second)
        if is_scarce:
            wait_s = min(wait_s, self._scarce_until - now)
        most = most_in_window(self._limit)
        if len(self._left) >= most:
            wait_s = max(wait_s, self._left[-most] + _SPAN_S - now)
        return wait_s if wait_s > _NOW_S else 0.0

    def left(self, now: float) -> None:
        """Note that a request leaves."""
        self._forget(now)
        self._left.append(now)
        self._tokens -= 1

    def unused(self, at: float, now: float) -> None:
        """Note that the request that was let out at `at` did not leave: another may in its place.

        The oldest is forgotten for it: windows that hold the oldest hold the unused one as well. So no window
        holds more than it should. What was let out too long ago stands in no window any more; and its token
        is lost if the bucket has been full since then, as it would have been with it.
        """
        if self._left and now - at < WINDOW_S:
            self._left.popleft()
            self._tokens += at >= self._full_at

    def told(self, now: float, *, limit: int, remaining: int | None, reset_s: float) -> None:
        """Take the limit per minute that an answer tells, and what is left of it for so many seconds.

        Others of the organisation may have taken the rest: what remains is spread until the reset, which is
        slower than the limit only where more was taken than comes in. A bucket is full again within a minute,
        whatever the clocks say.
        """
        if self._limit is None:
            self._begin(now, limit)
        else:
            self._fill(now)
        self._limit = limit
        lasts_s = min(reset_s, MINUTE_S)
        if remaining and lasts_s:
            self._scarce_a_second = remaining / lasts_s
        self._scarce_until = now + lasts_s if remaining else now

    def _begin(self, now: float, limit: int) -> None:
        """Fill the bucket as if the limit had held from the first request on; they leave it in debt."""
        self._forget(now)
        since = self._left[0] if self._left else now
        a_second = self._a_second(limit)
        tokens = self._capacity(limit) + a_second * (now - since) - len(self._left)
        self._tokens = max(tokens, -a_second * _SPAN_S)
        self._filled_at = now

    def _fill(self, now: float) -> None:
        """Add what has come in since the last time, slower while the limit is scarce."""
        assert self._limit is not None  # noqa: S101 - nobody fills before a limit is told
        a_second = self._a_second(self._limit)
        scarce_s = max(0.0, min(now, self._scarce_until) - self._filled_at)
        came = min(a_second, self._scarce_a_second) * scarce_s if scarce_s else 0.0
        came += a_second * (now - self._filled_at - scarce_s)
        self._tokens += came
        self._filled_at = now
        if self._tokens >= self._capacity(self._limit):
            self._tokens = self._capacity(self._limit)
            self._full_at = now

    def _forget(self, now: float) -> None:
        while self._left and self._left[0] < now - _SPAN_S:
            self._left.popleft()

    @staticmethod
    def _a_second(limit: int) -> float:
        return _FILL * limit / MINUTE_S

    @staticmethod
    def _capacity(limit: int) -> float:
        return 1 + _AHEAD_S * _FILL * limit / MINUTE_S


def most_in_window(limit: int) -> int:
    """Return how many requests may arrive within 10 s: 1.02 times a sixth of the limit per minute.

    Rounded down, but where less than 95 % of the limit could be used then, as with some small ones: up.
    """
    down = 102 * limit // 600
    return down if down >= _WORTHWHILE * limit / MINUTE_S * _SPAN_S else -(-102 * limit // 600)
