"""When the failure of single requests stops the whole run, and the words for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from claude_run.errors import ExitCode
from claude_run.play.brake import Halt

if TYPE_CHECKING:
    from claude_run.conversation.exchange import Failure

FATAL_GRACE_S = 1.0
"""How long replies under way may take once it is known that no other will come."""

_YEAR_S = 365 * 86_400.0


class Breaker:
    """Counts the requests to each model that were given up in a row, though each might have succeeded."""

    def __init__(self, limit: int = 10) -> None:
        self._limit = limit
        self._in_a_row: dict[str, int] = {}

    def replied(self, model: str) -> None:
        """Note that the model still answers."""
        self._in_a_row[model] = 0

    def gave_up(self, model: str, failure: Failure) -> Halt | None:
        """Note a request that all its attempts could not get answered; return a Halt once it is enough."""
        count = self._in_a_row[model] = self._in_a_row.get(model, 0) + 1
        if count < self._limit:
            return None
        reason = (
            f"{count} requests to {model} in a row were given up, the last one with: {failure.message};"
            " go on with --retry-errors once the API answers again"
        )
        return Halt(code=ExitCode.NOT_MEASURED, reason=reason, grace_s=FATAL_GRACE_S)


def hopeless(failure: Failure, *, wait_s: float | None, now: str) -> Halt:
    """Return the Halt for a failure that every other request would share.

    `wait_s` is the time the API wants to be left alone, where it says so; `now` is the UTC time, ISO 8601.
    """
    reason = failure.message
    if wait_s is not None:
        reason += f"; the API asks to wait {wait_s:.0f} s, longer than this run may: go on with --resume"
        reason += f", not before {_later(now, wait_s)}"
    return Halt(code=ExitCode.NOT_MEASURED, reason=reason, grace_s=FATAL_GRACE_S)


def _later(now: str, seconds: float) -> str:
    moment = datetime.fromisoformat(now) + timedelta(seconds=min(seconds, _YEAR_S))
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
