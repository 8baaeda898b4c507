"""What is known of a run while it is played: how far it is, what it cost, and what is under way."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.report.text.numbers import seconds, tokens, usd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from claude_run.conversation.script import Conversation
    from claude_run.conversation.transcript import Transcript
    from claude_run.play.ports import Spending

_ENOUGH = 10
_ENOUGH_S = 10.0
"""So many conversations of a model, and so much time, before what is left of them is estimated."""

_MINUTE, _HOUR = 60, 3600


@dataclass(slots=True, kw_only=True)
class ModelTally:
    """The conversations of one model: how many there are, and what became of those that are over."""

    total: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))

    @property
    def done(self) -> int:
        return sum(self.outcomes.values())


@dataclass(slots=True, kw_only=True)
class UnderWay:
    """A conversation since its first request has left; `turn` is None while a judge is asked."""

    conversation: Conversation
    turn: int | None
    since: float


class Tally:
    """Counts, kept as they come, and put into words when somebody looks. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.models: dict[str, ModelTally] = {}
        self.flying = 0
        self.under_way: dict[str, UnderWay] = {}
        self.tokens_in = 0
        self.tokens_out = 0
        self.unpriced = False
        self.uncounted = False
        self.spending: Spending | None = None
        self._began = clock()
        self._rounds = 0

    def begin(self, totals: Mapping[str, int], spending: Spending) -> None:
        """Count on: what is played to confirm other conversations comes on top of them."""
        for label, total in totals.items():
            self.models.setdefault(label, ModelTally()).total += total
        self.spending = spending
        if not self._rounds:
            self._began = self.clock()
        self._rounds += 1

    def asking(self, conversation: Conversation, turn: int | None) -> None:
        known = self.under_way.get(conversation.id)
        if known is None:
            since = self.clock()
            self.under_way[conversation.id] = UnderWay(conversation=conversation, turn=turn, since=since)
        else:
            known.turn = turn

    def left(self, conversation_id: str) -> None:
        self.under_way.pop(conversation_id, None)

    def add(self, transcript: Transcript) -> None:
        label = transcript.started.identity.model_label
        self.models.setdefault(label, ModelTally()).outcomes[transcript.outcome] += 1
        self.tokens_in += transcript.usage.input_total or 0
        self.tokens_out += transcript.usage.output_tokens or 0
        self.uncounted = self.uncounted or not transcript.usage.known
        self.unpriced = self.unpriced or transcript.cost_usd is None

    @property
    def total(self) -> int:
        return sum(model.total for model in self.models.values())

    @property
    def done(self) -> int:
        return sum(model.done for model in self.models.values())

    @property
    def elapsed_s(self) -> float:
        return self.clock() - self._began

    def longest(self, *, at_least_s: float) -> Sequence[UnderWay]:
        """Return what has been under way for so long, the longest first."""
        # A copy, because whoever draws does so in a thread of its own; those that began first stand first.
        now = self.clock()
        return [each for each in tuple(self.under_way.values()) if now - each.since >= at_least_s]

    def counts(self, *, zeros: bool = True) -> str:
        """Return `12/40 done  9 passed  2 failed  0 errored`, or without what is zero."""
        models = self.models.values()
        sums = {outcome: sum(model.outcomes[outcome] for model in models) for outcome in Outcome}
        told = (outcome for outcome in Outcome if outcome != "skipped" and (zeros or sums[outcome]))
        shown = [f"{sums[outcome]:,} {outcome}" for outcome in told]
        return "  ".join([f"{self.done:,}/{self.total:,} done", *shown])

    def in_flight(self) -> str:
        """Return `3 in flight`, of requests."""
        return f"{self.flying:,} in flight"

    def used(self) -> str:
        """Return the tokens of what is over: `12,345 in / 3,456 out`."""
        told = f"{tokens(self.tokens_in)} in / {tokens(self.tokens_out)} out"
        return told + (" + unknown" if self.uncounted else "")

    def cost(self) -> str:
        """Return `$0.0123`, what was paid up to now, or `$0.0123 of $5.00`, what counts against a cap."""
        if self.spending is None:
            return usd(None)
        cap = self.spending.cap_usd
        cost = usd(self.spending.paid_usd) if cap is None else f"{usd(self.spending.spent_usd)} of {usd(cap)}"
        return cost + (" + unpriced" if self.unpriced else "")

    def spent(self) -> str:
        """Return `3 in flight  12,345 in / 3,456 out  $0.0123  2 min 5 s`."""
        return "  ".join([self.in_flight(), self.used(), self.cost(), seconds(self.elapsed_s)])

    def time_left(self) -> str | None:
        """Return `about 4 min left`, for the slowest model; None as long as nobody can know.

        That is at the beginning, and while it is found out whether something is to be confirmed.
        """
        elapsed_s, longest_s = self.elapsed_s, 0.0
        if self._rounds != 1 or elapsed_s < _ENOUGH_S:
            return None
        for model in self.models.values():
            left = model.total - model.done
            if left > 0 and model.done < _ENOUGH:
                return None
            longest_s = max(longest_s, elapsed_s * left / max(model.done, 1))
        return _about(longest_s) if longest_s else None


def _about(left_s: float) -> str:
    """Return a time that nobody knows exactly, as exactly as that."""
    if left_s <= _MINUTE - 10:
        return f"about {math.ceil(left_s / 10) * 10} s left"
    if left_s < _HOUR:
        return f"about {math.ceil(left_s / _MINUTE)} min left"
    return f"about {left_s / _HOUR:.1f} h left"
