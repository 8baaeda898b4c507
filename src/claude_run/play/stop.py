"""Why and when a whole run stops: a cap, a deadline, an error that every request would share, or the user."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from claude_run.errors import ClaudeRunError, ExitCode
from claude_run.play.retry import Failures

if TYPE_CHECKING:
    from claude_run.conversation.exchange import Failure

FATAL_GRACE_S = 1.0
"""How long replies under way may take once it is known that no other will come."""

_IDENTIFIER = re.compile(r"[\w+-]*[0-9][\w+-]*=*")
"""A number, or what only a program would write: the id of a request or of a trace, a UUID, a time."""
_YEAR_S = 365 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Why a run ends early; what is under way may finish within `grace_s` seconds, None for however long."""

    code: ExitCode
    reason: str
    grace_s: float | None = None


class HaltedError(ClaudeRunError):
    """Nothing more may be sent."""


class StopSignal:
    """Remembers the first reason to stop, unless the user has one; the user's second word means at once."""

    def __init__(self) -> None:
        self.halt: Halt | None = None
        self._requested = asyncio.Event()
        self._interrupted = asyncio.Event()
        self._now = asyncio.Event()

    def request(self, halt: Halt) -> None:
        """Stop new sends. The first reason is the one that is reported."""
        if self.halt is None:
            self.halt = halt
            self._requested.set()

    def interrupt(self, halt: Halt) -> None:
        """Stop because the user says so: that is what is reported, whatever stopped the run before."""
        self.halt = halt
        self._interrupted.set()
        self._requested.set()

    def request_now(self) -> None:
        """Do not wait for what is under way any longer."""
        self._now.set()

    @property
    def is_now(self) -> bool:
        """Whether the user will wait no longer."""
        return self._now.is_set()

    def check(self) -> None:
        """Raise HaltedError once a stop was requested."""
        if self.halt is not None:
            raise HaltedError(self.halt.reason)

    async def requested(self) -> Halt:
        """Return the reason as soon as there is one."""
        await self._requested.wait()
        assert self.halt is not None  # noqa: S101 - set before the event is
        return self.halt

    async def interrupted(self) -> Halt:
        """Return the user's own stop as soon as there is one."""
        await self._interrupted.wait()
        return await self.requested()

    async def requested_again(self) -> None:
        """Return when the user will wait no longer."""
        await self._now.wait()


class FailureBreaker:
    """Counts the attempts at each model that brought no reply, as long as none does.

    `refusals` requests may be refused in the same way before the run is stopped: with the same status, type
    and words, but for the numbers and ids in them.
    """

    def __init__(self, *, refusals: int = 5) -> None:
        self._refusals = refusals
        self._failed: dict[str, Failures] = {}
        self._refused: dict[str, tuple[tuple[object, ...], int]] = {}

    def replied(self, model: str) -> None:
        """Note that the model does not refuse everything."""
        self._refused.pop(model, None)

    def answered(self, model: str) -> Failures:
        """Note an answer, be it a refusal; return what had failed since the one before."""
        return self._failed.pop(model, Failures())

    def failed(self, model: str, failure: Failure, *, key: str, now: float) -> Failures:
        """Note an attempt that failed in passing; return what has failed since the model last answered."""
        failures = self._failed.setdefault(model, Failures())
        failures.add(failure, key=key, now=now)
        return failures

    def refused(self, model: str, failure: Failure) -> Halt | None:
        """Note a request that failed for good; return a Halt once all fail in the same way.

        What is under way may finish however long it takes, because it may be the request that is not refused.
        """
        way = (failure.kind, failure.status, failure.type, _IDENTIFIER.sub("#", failure.message))
        before, count = self._refused.get(model, (way, 0))
        self._refused[model] = way, count + 1 if way == before else 1
        if self._refused[model][1] < self._refusals:
            return None
        reason = f"the first {self._refusals} requests to {model} failed in the same way: {failure.message}"
        return Halt(code=ExitCode.NOT_MEASURED, reason=reason)


def outage_too_long(model: str, failures: Failures, failure: Failure, *, now: float) -> Halt:
    """Return the Halt for a model that has only had failures so far; `now` is on the clock that they are."""
    reason = (
        f"{model} has not replied for {failures.lasted_s(now):.0f} s: {failures.attempts:,} attempts at"
        f" {len(failures.keys):,} requests failed, the last one with: {failure.message}; go on with"
        " the run once the API answers again, or wait longer with --patience"
    )
    return Halt(code=ExitCode.NOT_MEASURED, reason=reason, grace_s=FATAL_GRACE_S)


def hopeless(failure: Failure, *, wait_s: float | None, now: str) -> Halt:
    """Return the Halt for a failure that every other request would share.

    `wait_s` is the time the API wants to be left alone, where it says so; `now` is the UTC time, ISO 8601.
    """
    reason = failure.message
    if wait_s is not None:
        asked = f"{wait_s:.0f} s" if wait_s <= _YEAR_S else "more than a year"
        reason += f"; the API asks to wait {asked}, longer than this run may: go on with"
        reason += f" the run, not before {_later(now, wait_s)}"
    return Halt(code=ExitCode.NOT_MEASURED, reason=reason, grace_s=FATAL_GRACE_S)


def _later(now: str, seconds: float) -> str:
    moment = datetime.fromisoformat(now) + timedelta(seconds=min(seconds, _YEAR_S))
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
