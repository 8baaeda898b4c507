"""A conversation with its exchanges, checks, usage totals and outcome, folded from its events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.events import Asked, Attempted, Ended, Failed, Replied, Started
from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.results import Outcome
from claude_run.conversation.usage import Usage, total

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from claude_run.conversation.events import Event
    from claude_run.conversation.exchange import SentMessage
    from claude_run.conversation.results import CheckResult
    from claude_run.scenario.model import Json

NOT_ENDED = "the run ended before this conversation did"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRecord:
    """One turn of the script as it went: `content` is None where it was never sent.

    `index` counts from 1, as a reader counts. `exchanges` are the answered requests of a generated turn.
    """

    index: int
    role: str
    content: Json
    sent: bool
    exchanges: tuple[Exchange, ...] = ()
    checks: tuple[CheckResult, ...] = ()

    @property
    def reply(self) -> Reply | None:
        """The last reply of the turn, the one that ended it."""
        return self.exchanges[-1].reply if self.exchanges else None

    @property
    def text(self) -> str:
        return "".join(exchange.reply.text for exchange in self.exchanges)

    @property
    def usage(self) -> Usage:
        return total(exchange.reply.usage for exchange in self.exchanges)

    @property
    def cost_usd(self) -> Decimal | None:
        return total_cost(exchange.cost_usd for exchange in self.exchanges)

    @property
    def latency_s(self) -> float:
        return sum(exchange.latency_s for exchange in self.exchanges)

    @property
    def attempts(self) -> int:
        return sum(exchange.attempts for exchange in self.exchanges)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A whole conversation, played to its end or as far as it came; `judgements` are the judges' answers."""

    started: Started
    turns: tuple[TurnRecord, ...]
    checks: tuple[CheckResult, ...] = ()
    outcome: Outcome
    error: str | None = None
    error_turn: int | None = None
    warnings: tuple[str, ...] = ()
    judgements: tuple[Exchange, ...] = ()
    duration_s: float | None = None
    uncertain_usd: Decimal = Decimal(0)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        return tuple(exchange for turn in self.turns for exchange in turn.exchanges)

    @property
    def usage(self) -> Usage:
        return total(exchange.reply.usage for exchange in self.exchanges)

    @property
    def cost_usd(self) -> Decimal | None:
        """What the replies cost; None where one of them has no known price."""
        return total_cost(exchange.cost_usd for exchange in self.exchanges)

    @property
    def judge_usage(self) -> Usage:
        """What the judges used; it is no part of `usage`."""
        return total(exchange.reply.usage for exchange in self.judgements)

    @property
    def judge_cost_usd(self) -> Decimal | None:
        """What the judges cost; None where one of them has no known price."""
        return total_cost(exchange.cost_usd for exchange in self.judgements)

    @property
    def simulated(self) -> bool:
        return any(exchange.simulated for exchange in (*self.exchanges, *self.judgements))

    @property
    def replayed(self) -> bool:
        return any(exchange.replayed for exchange in (*self.exchanges, *self.judgements))


def total_cost(costs: Iterable[Decimal | None]) -> Decimal | None:
    """Sum costs in US dollars; one unknown makes the sum unknown."""
    result = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        result += cost
    return result


def exchanges_of(events: Iterable[Event], *, judged: bool = False) -> tuple[Exchange, ...]:
    """Return the answered requests of a conversation, in order; with `judged` those to its judges instead."""
    events = tuple(events)
    judges = {event.key for event in events if isinstance(event, Asked) and event.judge is not None}
    return tuple(exchange for exchange in _answered(events) if (exchange.key in judges) is judged)


def _answered(events: Iterable[Event]) -> tuple[Exchange, ...]:
    sent: dict[str, tuple[SentMessage, ...]] = {}
    attempts: dict[str, int] = {}
    exchanges: dict[str, Exchange] = {}
    for event in events:
        if isinstance(event, Asked):
            sent.setdefault(event.key, event.sent)
        elif isinstance(event, Attempted):
            attempts[event.key] = attempts.get(event.key, 0) + 1
        elif isinstance(event, Replied):
            exchanges.setdefault(event.key, _exchange(event, sent.get(event.key, ())))
    return tuple(replace(e, attempts=attempts.get(e.key, 0)) for e in exchanges.values())


def fold(events: Sequence[Event]) -> Transcript:
    """Make the transcript of one conversation from its events, the first of which is `Started`.

    Unless the last of them is `Ended` the conversation was cut off and counts as skipped: it can be resumed.
    """
    started = next(event for event in events if isinstance(event, Started))
    ended = events[-1] if isinstance(events[-1], Ended) else None
    exchanges = exchanges_of(events)
    turn_checks = dict(ended.turn_checks) if ended else {}
    sent = {message.turn: message for message in _sent_messages(events)}
    turns = tuple(
        TurnRecord(
            index=index + 1,
            role=role,
            content=sent[index].content if index in sent else None,
            sent=index in sent,
            exchanges=tuple(exchange for exchange in exchanges if exchange.turn == index),
            checks=turn_checks.get(index, ()),
        )
        for index, role in enumerate(started.roles)
    )
    transcript = Transcript(
        started=started,
        turns=turns,
        outcome=Outcome.SKIPPED,
        error=NOT_ENDED,
        judgements=exchanges_of(events, judged=True),
        uncertain_usd=uncertain_usd(events),
    )
    if ended is None:
        return transcript
    return replace(
        transcript,
        checks=ended.checks,
        outcome=ended.outcome,
        error=ended.error,
        error_turn=None if ended.error_turn is None else ended.error_turn + 1,
        warnings=ended.warnings,
        duration_s=ended.duration_s,
    )


def uncertain_usd(events: Iterable[Event]) -> Decimal:
    """Sum the worst case of the attempts that were answered neither by a reply nor by a sure refusal."""
    open_attempts: dict[tuple[str, int], Decimal] = {}
    for event in events:
        if isinstance(event, Attempted):
            open_attempts[event.key, event.n] = event.worst_cost_usd or Decimal(0)
        elif isinstance(event, Replied) or (isinstance(event, Failed) and event.failure.paid == "no"):
            open_attempts.pop((event.key, event.n), None)
    return sum(open_attempts.values(), Decimal(0))


def _sent_messages(events: Iterable[Event]) -> Iterable[SentMessage]:
    for event in events:
        if isinstance(event, Asked) and event.judge is None:
            yield from event.sent


def _exchange(event: Replied, sent: tuple[SentMessage, ...]) -> Exchange:
    return Exchange(
        turn=event.turn,
        key=event.key,
        sent=sent,
        reply=Reply.from_body(event.body),
        latency_s=event.latency_s,
        request_id=event.request_id,
        cost_usd=event.cost_usd,
        simulated=event.simulated,
        replayed=event.replayed,
        received_at=event.at,
    )
