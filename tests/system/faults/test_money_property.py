"""Whatever happens, the API never bills more than the cap: random prices, faults, workers, kills, resumes."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.exchange import Failure, Reply
from claude_run.conversation.log import ConversationLog
from claude_run.errors import ExitCode, StorageError
from claude_run.play.ports import Received, RequestFailedError
from claude_run.play.retry import RetryPolicy
from claude_run.record.history import History
from tests.unit.play.fakes import (
    FakedRun,
    FakeMessages,
    FlatPrices,
    MemoryRecorder,
    conversation,
    message,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.conversation.events import Event
    from claude_run.conversation.exchange import Exchange, Request
    from claude_run.conversation.steps import Send
    from claude_run.scenario.json_values import JsonObject

LIVES = 6
PATIENT = RetryPolicy(patience_s=1e6)  # chance may let an API be silent for an hour
HANGS_S = 700.0
"""Longer than an attempt may take."""


def worst_of(request: Request) -> Decimal:
    """Return the highest price of a request, another one for each: 1 to 50 cents."""
    return Decimal(1 + int(request.key(["worst"])[:8], 16) % 50) / 100


class RandomPrices(FlatPrices):
    """Requests of any price; a reply says what was billed for it, or that it has no known price."""

    def worst(self, step: Send, exchanges: Sequence[Exchange]) -> Decimal | None:  # noqa: ARG002 - the port's shape
        return worst_of(step.request)

    def paid(self, request: Request, body: JsonObject) -> Decimal | None:  # noqa: ARG002 - the port's shape
        return Decimal(str(body["billed"])) if body["billed"] is not None else None


@dataclass(kw_only=True)
class BillingApi(FakeMessages):
    """Bills each request when it arrives, whatever becomes of it, and never more than the cap in all."""

    chance: random.Random
    cap: Decimal
    billed: Decimal = Decimal(0)

    async def send(self, request: Request, **_watched: Any) -> Received:
        latency_s = self.chance.choice([0.0, 0.1, 1.0, 30.0, HANGS_S])
        fate = self.chance.choice(["reply", "reply", "unpriced", "429", "500", "cut"])
        price = worst_of(request) * self.chance.randint(0, 100) / 100
        self.billed += Decimal(0) if fate == "429" else price
        assert self.billed <= self.cap
        await asyncio.sleep(latency_s)
        outcome = _outcome(fate, price)
        if isinstance(outcome, Failure):
            raise RequestFailedError(outcome)
        return Received(reply=Reply.from_body(outcome))


def _outcome(fate: str, price: Decimal) -> dict[str, Any] | Failure:
    match fate:
        case "429":
            return Failure(kind="status", status=429, message="slow down", paid="no")
        case "500":
            return Failure(kind="status", status=500, message="oops")
        case "cut":
            return Failure(kind="connection", message="cut")
    return message(billed=None if fate == "unpriced" else str(price))


@dataclass
class MortalRecorder(MemoryRecorder):
    """Takes so many events and then no more, as a process does that is killed."""

    left: int
    sync_s: float = 0.0
    events: list[Event] = field(default_factory=list)

    def append(self, *events: Event) -> None:
        self.left -= 1
        if self.left < 0:
            raise StorageError("killed")
        self.events += events


def split(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Return the events by conversation."""
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.conversation_id, []).append(event)
    return found


def history_of(events: Sequence[Event], superseded: Sequence[Event] = ()) -> History:
    """Return what a journal of these events tells."""
    logs = {name: ConversationLog(rows) for name, rows in split(events).items()}
    return History(logs=logs, superseded=tuple(map(ConversationLog, split(superseded).values())))


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(min_value=0, max_value=2**32),
    cents=st.integers(min_value=1, max_value=1000),
    workers=st.integers(min_value=1, max_value=12),
    kills=st.lists(st.integers(min_value=0, max_value=60), min_size=LIVES, max_size=LIVES),
)
def test_the_bill_never_exceeds_the_cap(seed: int, cents: int, workers: int, kills: list[int]) -> None:
    """The server's own ledger is asserted at every request, over every process of the run."""
    cap = Decimal(cents) / 100
    api = BillingApi(chance=random.Random(seed), cap=cap)  # noqa: S311 - only a test's dice
    played: list[Event] = []
    conversations = [conversation(f"c{n}", user(f"first {n}"), user("second")) for n in range(8)]
    for life, kill in enumerate(kills):
        history = history_of(played)
        spent = history.spent_usd()
        assert api.billed <= spent <= cap
        last = life == LIVES - 1
        recorder = MortalRecorder(left=10_000 if last else kill)
        run = FakedRun(
            messages=api,
            prices=RandomPrices(),
            cap=cap,
            spent=spent,
            recorder=recorder,
            concurrency=workers,
            policy=PATIENT,
        )
        todo = [
            each for each in conversations if (log := history.logs.get(each.id)) is None or log.ended is None
        ]
        try:
            halt = run.play(todo, earlier=split(played))
            assert halt is None or halt.code is ExitCode.CAPPED
        except StorageError:
            assert not last
        played += recorder.events
    final = history_of(played)
    assert api.billed <= final.spent_usd() <= cap


def test_a_reply_without_a_price_stays_spent_at_its_worst() -> None:
    """A resumed run starts from what the replies may have cost, where nobody knows what they did."""
    run = FakedRun(prices=FlatPrices(paid_usd=None), cap=Decimal(1))
    run.play([conversation("c", user("x"))])
    history = history_of(run.recorder.events)
    assert history.spent_usd() == run.budget.spent_usd == Decimal("0.02")


def test_what_was_superseded_stays_spent() -> None:
    """A conversation that is played anew does not forget the lost attempts of its first life."""
    cut = Failure(kind="connection", message="cut")
    first = FakedRun(messages=FakeMessages(answer=lambda _r, n: cut if n == 1 else message()), cap=Decimal(1))
    first.play([conversation("c", user("x"))])
    assert first.budget.spent_usd == Decimal("0.03")
    again = FakedRun(cap=Decimal(1))
    again.play([conversation("c", user("x"))])
    history = history_of(again.recorder.events, superseded=first.recorder.events)
    assert history.spent_usd() == Decimal("0.04")
