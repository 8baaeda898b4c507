"""What all requests of a run share: prompts, places, dollars, and how each model has answered so far.

Whoever wants to send asks here before, and says here afterwards what came of it.
"""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claude_run.conversation.exchange import Failure
from claude_run.play.ports import Deadlines
from claude_run.play.retry import (
    Failures,
    GiveUp,
    OutageTooLong,
    Retry,
    RetryPolicy,
    StopRun,
    is_transient,
)
from claude_run.play.stop import FailureBreaker, HaltedError, hopeless, outage_too_long

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from decimal import Decimal

    from claude_run.conversation.usage import Usage
    from claude_run.play.budget import Budget, Reservation
    from claude_run.play.ports import Clock, FailedRequest, Pacing, Waits, Wanted
    from claude_run.play.prefixes import Prefixes, PrefixTurn
    from claude_run.play.stop import Halt, StopSignal


@dataclass(slots=True, kw_only=True, eq=False)
class RunAdmission:
    """A request that may leave: its turn among those that share its prompt, and its money.

    `let_out_at` is when its model let it out, on the clock. Satisfies `play.ports.Admission`.
    """

    turn: PrefixTurn
    reservation: Reservation
    let_out_at: float

    @property
    def worst_usd(self) -> Decimal | None:
        return self.reservation.worst_usd

    @property
    def paid_usd(self) -> Decimal | None:
        return self.reservation.paid_usd

    @paid_usd.setter
    def paid_usd(self, usd: Decimal | None) -> None:
        self.reservation.paid_usd = usd

    @property
    def is_waited_for(self) -> bool:
        return self.turn.is_waited_for

    @property
    def may_be_waited_for(self) -> bool:
        """Whether others wait for its reply to begin, or may yet come and wait."""
        return self.turn.may_be_waited_for

    def began(self, used: Usage) -> None:
        self.turn.began(used)

    async def confirm(self) -> None:
        """Return at once: here nothing can have come between."""


@dataclass(slots=True, kw_only=True, eq=False)
class RunPace:
    """The one place that lets the requests of a run out; satisfies `play.ports.Pace`.

    `chance` draws the jitter's random numbers from [0, 1). No wait that the API asks for beyond
    `deadlines.end` is begun; what is under way then is for the stop signal to end.
    """

    budget: Budget
    pacing: Pacing
    prefixes: Prefixes
    stop: StopSignal
    clock: Clock
    progress: Waits
    deadlines: Deadlines = field(default_factory=Deadlines)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: FailureBreaker = field(default_factory=FailureBreaker)
    chance: Callable[[], float] = random.random

    @asynccontextmanager
    async def admitted(self, wanted: Wanted) -> AsyncIterator[RunAdmission]:
        at_most_s = min(wanted.within_s, self.deadlines.attempt_s)
        async with (
            # Its turn among those that share its prompt: whoever waits for it holds nothing that others need.
            self.prefixes.turn(wanted.prefix, wanted.conversation_id) as turn,
            # A place among the requests under way, which is never free in a pause of its model.
            self.pacing.slot(wanted.model),
        ):
            let_out_at = self.clock.monotonic()
            # The worst case, set aside until the attempt has shown what it cost.
            async with self.reserved(wanted.worst_usd, at_most_s=at_most_s) as reservation:
                yield RunAdmission(turn=turn, reservation=reservation, let_out_at=let_out_at)

    @asynccontextmanager
    async def reserved(self, worst_usd: Decimal | None, *, at_most_s: float) -> AsyncIterator[Reservation]:
        """Set the worst case of an attempt aside, as the budget does it; whoever watches hears of a wait."""
        must_wait = self.budget.must_wait(worst_usd)
        if must_wait:
            reason = "or sooner: requests under way must first show what they cost"
            self.progress.waiting("--max-cost", at_most_s, reason)
        async with self.budget.reserved(worst_usd) as reservation:
            if must_wait:
                self.progress.resumed("--max-cost")
            yield reservation

    async def replied(self, model: str, headers: Mapping[str, str], *, other: str | None = None) -> None:
        if other is None:
            self.breaker.replied(model)
        else:
            self._refused(model, Failure(kind="other_model", message=other))
        self._answered(model, headers)

    async def failed(self, request: FailedRequest) -> float | None:
        failure, model, now = request.failure, request.model, self.clock.monotonic()

        # What all requests to the model have failed in since there was a reply.
        silence = Failures()
        if is_transient(failure):
            silence = self.breaker.failed(model, failure, key=request.key, now=now)

        decision = self.policy.decide(
            failure,
            request=Failures(
                since=now - request.lasted_s,
                attempts=request.attempts,
                billed=request.billed,
                keys={request.key},
            ),
            model=silence,
            now=now,
            chance=self.chance(),
            left_s=request.left_s,
            run_left_s=self.deadlines.end - now,
        )
        match decision:
            case Retry():
                return self._wait_s(decision, model, failure.message, silent_s=silence.lasted_s(now))
            case StopRun(wait_s=seconds):
                raise self._halted(failure, hopeless(failure, wait_s=seconds, now=self.clock.now()))
            case OutageTooLong():
                raise self._halted(failure, outage_too_long(model, silence, failure, now=now))
            case GiveUp():
                # One more that the API refused for good: so it does answer.
                if failure.kind == "status" and not is_transient(failure):
                    self._answered(model, {})
                    self._refused(model, failure)
                return None

    def _halted(self, failure: Failure, halt: Halt) -> HaltedError:
        self.stop.request(halt)
        return HaltedError(failure.message)

    def _refused(self, model: str, failure: Failure) -> None:
        if halt := self.breaker.refused(model, failure):
            self.stop.request(halt)

    def _answered(self, model: str, headers: Mapping[str, str]) -> None:
        """Let the next requests out, at once or when the headers allow it; an outage is over."""
        if self.policy.is_outage(self.breaker.answered(model)):
            self.progress.resumed(model)
        wait_s = self.pacing.replied(model, headers)
        if wait_s > 0:
            self.progress.waiting(model, wait_s, "the API lets no more requests in before then")

    def _wait_s(self, retry: Retry, model: str, reason: str, *, silent_s: float) -> float:
        """Return how long to wait; `silent_s` is how long the model has answered nobody."""
        if retry.pause_s is not None:
            self.pacing.throttled(model, retry.pause_s)
        self.stop.check()
        if not retry.outage:
            self.progress.waiting(model, retry.after_s, reason)
            return retry.after_s
        # In an outage all wait in line for their place, and whoever is first tries for all.
        self.pacing.outage(model, retry.after_s)
        self.progress.outage(model, silent_s, reason)
        self.progress.waiting(model, retry.after_s, reason)
        return 0.0
