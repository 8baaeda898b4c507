"""The one retry policy: what a failed attempt means for its request and for the run. Pure.

Sources: the API's error reference (codes and `x-should-retry`), and full jitter as described in the AWS
Architecture Blog, "Exponential Backoff And Jitter" (2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from claude_run.conversation.exchange import Failure

_RETRIED_STATUSES = frozenset({408, 409, 429})
_FATAL_STATUSES = frozenset({401, 402, 403})
_FATAL_CODES = frozenset(
    {"enforced_spend_limit_reached", "contract_spend_limit_reached", "organization_on_hold"}
)
_FATAL_TYPES = frozenset({"authentication_error", "billing_error", "permission_error"})
_SPENT_TEXTS = ("you have reached your specified api usage limits", "your credit balance is too low")
_NOT_FOUND = 404
_RETRIED_TYPES = frozenset({"overloaded_error", "rate_limit_error", "api_error", "timeout_error"})
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Send again after so many seconds; `throttled` when the whole model should slow down."""

    after_s: float
    throttled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """This request will not be answered; its conversation ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRun:
    """No request of this run can be answered: wrong key or address, unknown model, spent limit.

    `wait_s` is set where the API would answer again after so many seconds, but the run may not wait so long.
    """

    wait_s: float | None = None


Decision: TypeAlias = Retry | GiveUp | StopRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient to be: attempts in all, and seconds for the back-off, which doubles up to its cap."""

    attempts: int = 5
    timeout_attempts: int = 2
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0

    def decide(self, failure: Failure, *, attempt: int, chance: float, patience_s: float) -> Decision:
        """Decide after attempt number `attempt` (from 1).

        `chance` in [0, 1) is the jitter's random number; a wait longer than `patience_s`, the time left to
        the nearest deadline, is not worth beginning. Where the API itself asks for a wait like that, all
        requests would get the same answer.
        """
        if is_fatal(failure):
            return StopRun()
        allowed = self.timeout_attempts if failure.kind in {"timeout", "deadline"} else self.attempts
        if not is_transient(failure) or attempt >= allowed:
            return GiveUp()
        wait = failure.retry_after_s
        if wait is None:
            wait = chance * min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1))
        throttled = is_throttle(failure)
        if wait <= patience_s:
            return Retry(after_s=wait, throttled=throttled)
        return StopRun(wait_s=wait) if throttled and failure.retry_after_s is not None else GiveUp()


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
    if failure.kind in {"connection", "timeout", "deadline", "invalid_reply", "truncated"}:
        return True
    if failure.type in _RETRIED_TYPES:
        return True
    status = failure.status or 0
    return failure.kind == "status" and (status in _RETRIED_STATUSES or status >= _SERVER_ERROR)


def is_throttle(failure: Failure) -> bool:
    """Return whether the API asks for fewer requests."""
    return failure.status in {429, 529} or failure.type in {"rate_limit_error", "overloaded_error"}
