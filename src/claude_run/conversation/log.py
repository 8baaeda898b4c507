"""What happened so far in one conversation, grown event by event; a transcript is what it has come to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.events import Asked, Attempted, Ended, Failed, Replied, SetAside, Started
from claude_run.conversation.exchange import Exchange
from claude_run.conversation.results import Outcome
from claude_run.conversation.transcript import NOT_ENDED, Transcript, TurnRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from claude_run.conversation.events import Event
    from claude_run.conversation.exchange import SentMessage
    from claude_run.conversation.results import CheckResult


class ConversationLog:
    """The events of one conversation, each looked at once.

    `exchanges` are its answered requests in order, `judge_exchanges` those to its judges, and `attempts`
    knows which tries may have been billed. `set_aside` are replies that were paid for and count no longer;
    of judges they stay among `judge_exchanges`. `ended` is None again as soon as the conversation is played
    on.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.started: Started | None = None
        self.ended: Ended | None = None
        self.exchanges: list[Exchange] = []
        self.judge_exchanges: list[Exchange] = []
        self.set_aside: list[Exchange] = []
        self.attempts = AttemptLedger()
        self._asked: dict[str, Asked] = {}
        self._tries: dict[str, int] = {}
        self._answered: dict[str, tuple[list[Exchange], int]] = {}
        self._tries_for_nothing: dict[str, int] = {}
        self._content: dict[int, SentMessage] = {}
        for event in events:
            self.append(event)

    def append(self, event: Event) -> None:
        """Take the next event in."""
        self.ended = None
        self.attempts.add(event)
        match event:
            case Started():
                self.started = event
            case Asked():
                self._ask(event)
            case Attempted():
                self._tries[event.key] = self._tries.get(event.key, 0) + 1
                self._count_late_attempt(event.key)
            case Replied():
                self._answer(event)
            case SetAside():
                self._take_back(event.key)
            case Ended():
                self.ended = event

    @property
    def replies(self) -> Iterable[Exchange]:
        """All answered requests, those to judges too, but for what was set aside."""
        return (exchanges[index] for exchanges, index in self._answered.values())

    def exchange(self, key: str) -> Exchange | None:
        """Return the answered request with this key."""
        if key not in self._answered:
            return None
        exchanges, index = self._answered[key]
        return exchanges[index]

    def was_asked(self, key: str) -> bool:
        """Return whether the request with this key was made up before, answered or not."""
        return key in self._asked

    def was_set_aside(self, key: str) -> bool:
        """Return whether a reply to the request with this key was set aside, answered again or not."""
        return key in self._tries_for_nothing

    def asked(self, key: str) -> Asked | None:
        """Return how the request with this key was made up first; None for one that never was."""
        return self._asked.get(key)

    def tries(self, key: str) -> int:
        """Return how many attempts were made at the request with this key."""
        return self._tries.get(key, 0)

    def transcript(self, *, left_out: Collection[int] = ()) -> Transcript:
        """Return the transcript of what happened so far; the conversation must have started.

        `left_out` are the turns that are known to be left out before the end says so. Unless the last event
        is `Ended` it was cut off and counts as skipped: it can be resumed.
        """
        assert self.started is not None  # noqa: S101 - whoever asks knows that it began
        ended = self.ended
        left_out = ended.left_out if ended else left_out
        by_turn: dict[int, list[Exchange]] = {}
        for exchange in self.exchanges:
            by_turn.setdefault(exchange.turn, []).append(exchange)
        checks: dict[int, tuple[CheckResult, ...]] = dict(ended.turn_checks) if ended else {}
        turns = tuple(
            TurnRecord(
                index=index,
                role=role,
                content=self._content[index].content if index in self._content else None,
                sent=index in self._content,
                exchanges=tuple(by_turn.get(index, ())),
                checks=checks.get(index, ()),
                left_out=index in left_out,
            )
            for index, role in enumerate(self.started.roles)
        )
        return Transcript(
            started=self.started,
            turns=turns,
            checks=ended.checks if ended else (),
            outcome=ended.outcome if ended else Outcome.SKIPPED,
            error=ended.error if ended else NOT_ENDED,
            error_turn=ended.error_turn if ended else None,
            warnings=ended.warnings if ended else (),
            judge_exchanges=tuple(self.judge_exchanges),
            set_aside=tuple(self.set_aside),
            duration_s=ended.duration_s if ended else None,
            uncertain_usd=self.attempts.uncertain_usd,
        )

    def _ask(self, event: Asked) -> None:
        self._asked.setdefault(event.key, event)
        if event.judge is None:
            # What a turn said is what its first request sent: later ones of the same turn carry tool results.
            for message in event.sent:
                self._content.setdefault(message.turn, message)

    def _answer(self, event: Replied) -> None:
        if event.key in self._answered:
            return  # a second reply changes nothing that was said or sent since the first
        asked = self._asked.get(event.key)
        judged = asked is not None and asked.judge is not None
        exchanges = self.judge_exchanges if judged else self.exchanges
        self._answered[event.key] = exchanges, len(exchanges)
        exchanges.append(
            Exchange(
                turn=event.turn,
                key=event.key,
                sent=asked.sent if asked else (),
                reply=event.reply,
                attempts=self._tries_since(event.key),
                latency_s=event.latency_s,
                request_id=event.request_id,
                cost_usd=event.cost_usd,
                simulated=event.simulated,
                replayed=event.replayed,
                received_at=event.at,
            )
        )

    def _count_late_attempt(self, key: str) -> None:
        if key in self._answered:
            exchanges, index = self._answered[key]
            exchanges[index] = replace(exchanges[index], attempts=self._tries_since(key))

    def _tries_since(self, key: str) -> int:
        """Return how many attempts were made since a reply to this request was set aside, if one was."""
        return self.tries(key) - self._tries_for_nothing.get(key, 0)

    def _take_back(self, key: str) -> None:
        exchanges, index = self._answered.pop(key)
        self._tries_for_nothing[key] = self.tries(key)
        # What a judge said is history for nobody. Of the conversation it is always its last reply.
        if exchanges is self.exchanges:
            self.set_aside.append(exchanges.pop(index))


class AttemptLedger:
    """What attempts cost, and which of them may have been billed though they brought no reply.

    Only a reply or a sure refusal settles an attempt; until then it counts at its worst. `count` is their
    number, whatever became of them.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.count = 0
        self._paid_usd = Decimal(0)
        self._open: dict[tuple[str, int], Attempted] = {}
        self._lost: list[Attempted] = []
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Take the next event in; others than attempts and their ends change nothing."""
        match event:
            case Attempted():
                # A conversation that is played anew may number its attempts anew: the old ones stay open.
                if before := self._open.get((event.key, event.n)):
                    self._lost.append(before)
                self.count += 1
                self._open[event.key, event.n] = event
            case Replied():
                attempt = self._open.pop((event.key, event.n), None)
                if event.replayed:
                    return
                if event.cost_usd is not None:
                    self._paid_usd += event.cost_usd
                elif attempt is not None:
                    self._paid_usd += attempt.worst_cost_usd or Decimal(0)
            case Failed() if event.failure.paid == "no":
                self._open.pop((event.key, event.n), None)

    def worst_usd(self, key: str, n: int) -> Decimal | None:
        """Return what an attempt without a known end may cost; None for one of unknown price, or none."""
        attempt = self._open.get((key, n))
        return None if attempt is None else attempt.worst_cost_usd

    @property
    def uncertain(self) -> Sequence[Attempted]:
        """The attempts that may have been billed and brought no reply."""
        return (*self._lost, *self._open.values())

    @property
    def uncertain_usd(self) -> Decimal:
        """What those cost at worst; one of unknown price counts nothing."""
        return sum((attempt.worst_cost_usd or Decimal(0) for attempt in self.uncertain), Decimal(0))

    @property
    def spent_usd(self) -> Decimal:
        """What all attempts cost, at their worst those without a known end or a known price."""
        return self._paid_usd + self.uncertain_usd
