"""The one retry policy: what a failed attempt means for its request and for the run. Pure.

Sources: the API's error reference (codes and `x-should-retry`), and full jitter as described in the AWS
Architecture Blog, "Exponential Backoff And Jitter" (2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from claude_run.conversation.exchange import Failure

_RETRIED_STATUSES = frozenset({408, 409, 429})
_FATAL_STATUSES = frozenset({401, 402, 403, 407})
"""Keys, bills and permissions; 407 is a proxy that wants a password."""
_FATAL_CODES = frozenset(
    {"enforced_spend_limit_reached", "contract_spend_limit_reached", "organization_on_hold"}
)
_FATAL_TYPES = frozenset({"authentication_error", "billing_error", "permission_error"})
_SPENT_TEXTS = ("you have reached your specified api usage limits", "your credit balance is too low")
_NOT_FOUND = 404
_RETRIED_TYPES = frozenset({"overloaded_error", "rate_limit_error", "api_error", "timeout_error"})
_RETRIED_KINDS = frozenset(
    {"connection", "timeout", "deadline", "invalid_reply", "truncated", "expired", "canceled"}
)
_BILLED_KINDS = frozenset({"invalid_reply", "truncated", "timeout", "deadline"})
_SERVER_ERROR = 500


@dataclass(slots=True, kw_only=True)
class Failures:
    """Attempts that failed in passing, at one request, or at all requests to a model since its last answer.

    `since` is the moment of the first on the clock, `keys` are the requests, and `billed` counts the attempts
    that a model probably worked at, so that they cost money though they brought nothing.
    """

    since: float = math.inf
    attempts: int = 0
    billed: int = 0
    keys: set[str] = field(default_factory=set)

    def add(self, failure: Failure, *, key: str, now: float) -> None:
        """Count one more."""
        self.since = min(self.since, now)
        self.attempts += 1
        self.billed += failure.paid == "maybe" and failure.kind in _BILLED_KINDS
        self.keys.add(key)

    def excuse(self, seconds: float) -> None:
        """Leave out a time in which nothing was tried because others were let out first."""
        self.since += seconds

    def lasted_s(self, now: float) -> float:
        """Return the seconds since the first; 0 where there is none."""
        return max(0.0, now - self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Send again after so many seconds; `pause_s` is set where the whole model should slow down, and pause.

    In an `outage` it is not this request that is sent then, but whichever comes next to the model, alone.
    """

    after_s: float
    pause_s: float | None = None
    outage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """This request will not be answered; its conversation ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRun:
    """No request of this run can be answered: wrong key or address, unknown model, spent limit.

    `wait_s` is set where the API would answer again after so many seconds, but the run may not wait so long.
    """

    wait_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageTooLong:
    """The model has answered nobody for longer than anybody has patience; the run ends once, for all."""


Decision: TypeAlias = Retry | GiveUp | StopRun | OutageTooLong


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient to be: in time, and not in attempts but for those that were probably billed for nothing.

    So many failures in a row, at any requests to a model, are an outage; it ends the run where as many
    different requests have met it, because one alone may be to blame itself. The back-off doubles from its
    first wait to its longest.
    """

    patience_s: float = 300.0
    billed_attempts: int = 5
    batches: int = 5
    outage_failures: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0

    def decide(  # noqa: PLR0913 - all that a decision hangs on, as values
        self,
        failure: Failure,
        *,
        request: Failures,
        model: Failures,
        now: float,
        chance: float,
        left_s: float = math.inf,
        run_left_s: float = math.inf,
    ) -> Decision:
        """Decide what follows a failure that `request` and `model` have counted already.

        `chance` in [0, 1) is the jitter's random number, `left_s` the time to the conversation's deadline and
        `run_left_s` that to the end of the run. A wait that the API asks for is kept to as long as both allow
        it. Beyond them all requests would get the same answer, at least where the failure is everybody's.
        """
        if is_fatal(failure):
            return StopRun()
        if not is_transient(failure):
            return GiveUp()
        throttled, outage = is_throttle(failure), self.is_outage(model)
        asked_s = failure.retry_after_s
        if asked_s is not None and asked_s > min(left_s, run_left_s):
            return StopRun(wait_s=asked_s) if throttled or outage else GiveUp()

        # How long this has gone on, for the request itself, and in an outage for all.
        shared_s = model.lasted_s(now) if outage else 0.0
        if shared_s >= self.patience_s and len(model.keys) >= self.outage_failures:
            return OutageTooLong()
        patience_s = self.patience_s - max(shared_s, request.lasted_s(now))

        # Wait as told, or for a share of a time that grows; the last attempt is when patience ends.
        wait_s = asked_s
        if wait_s is None:
            grown_s = shared_s if outage else self._doubled_s(request.attempts)
            wait_s = min(chance * self._bounded_s(grown_s), patience_s)
        if patience_s <= 0 or request.billed >= self.billed_attempts or wait_s > left_s:
            return GiveUp()

        # The others pause as their own failures ask for, not for all that one of them has met.
        pause_s = asked_s if throttled else None
        if throttled and asked_s is None and not outage:
            pause_s = min(chance * self._bounded_s(self._doubled_s(model.attempts)), wait_s)
        return Retry(after_s=wait_s, pause_s=pause_s, outage=outage)

    def decide_in_batch(self, failure: Failure, *, attempts: int) -> Decision:
        """Decide the same for a request that has failed in so many batches, the last one with this.

        A batch is long, so that patience is a count here, and none of them is waited for: it goes into the
        next one.
        """
        if is_fatal(failure):
            return StopRun()
        if not is_transient(failure) or attempts >= self.batches:
            return GiveUp()
        return Retry(after_s=0.0)

    def back_off_s(self, failures: int, *, chance: float) -> float:
        """Return how long to wait after so many failures in a row where nothing else is known."""
        return chance * self._bounded_s(self._doubled_s(failures))

    def is_outage(self, model: Failures) -> bool:
        """Return whether a model has failed too often in a row for all to go on asking it."""
        return model.attempts >= self.outage_failures

    def _doubled_s(self, attempts: int) -> float:
        return self.first_wait_s * 2.0 ** min(attempts - 1, 32)

    def _bounded_s(self, seconds: float) -> float:
        return min(self.longest_wait_s, max(self.first_wait_s, seconds))


def is_fatal(failure: Failure) -> bool:
    """Return whether every other request of the run would fail in the same way."""
    if failure.kind in {"credentials", "not_recorded"}:
        return failure.kind == "credentials"
    if failure.status in _FATAL_STATUSES or failure.type in _FATAL_TYPES or failure.code in _FATAL_CODES:
        return True
    # Either the model is unknown to the API, or the address is not that of the API.
    if failure.status == _NOT_FOUND or failure.type == "not_found_error":
        return True
    return any(text in failure.message.lower() for text in _SPENT_TEXTS)


def is_transient(failure: Failure) -> bool:
    """Return whether the same request may succeed later. A header may forbid a retry, never allow one."""
    if not failure.may_retry:
        return False
    if failure.kind in _RETRIED_KINDS:
        return True
    if failure.type in _RETRIED_TYPES:
        return True
    status = failure.status or 0
    return failure.kind == "status" and (status in _RETRIED_STATUSES or status >= _SERVER_ERROR)


def is_throttle(failure: Failure) -> bool:
    """Return whether the API asks for fewer requests."""
    return failure.status in {429, 529} or failure.type in {"rate_limit_error", "overloaded_error"}
