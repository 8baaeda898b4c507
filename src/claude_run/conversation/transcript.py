"""A conversation with its exchanges, checks, usage totals and outcome, as a reader sees it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.results import Status
from claude_run.conversation.usage import Usage, total
from claude_run.scenario.model import turn_number
from claude_run.text.strict_json import join_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.conversation.events import Started
    from claude_run.conversation.exchange import Exchange, Reply
    from claude_run.conversation.results import CheckResult, Outcome
    from claude_run.scenario.json_values import Json

NOT_ENDED = "the run ended before this conversation did"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRecord:
    """One turn of the script as it went: `content` is None where it was never sent.

    A turn that is `left_out` was not sent because the last reply gave no cause for it: the script went on.
    `index` counts from 0, `number` from 1. `exchanges` are the answered requests of a generated turn, and
    `content` is what the first request of the turn sent.
    """

    index: int
    role: str
    content: Json
    sent: bool
    exchanges: tuple[Exchange, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    left_out: bool = False

    @property
    def number(self) -> int:
        """What a reader calls the turn."""
        return turn_number(self.index)

    @property
    def reply(self) -> Reply | None:
        """The last reply of the turn, the one that ended it."""
        return self.exchanges[-1].reply if self.exchanges else None

    @property
    def text(self) -> str:
        return join_text(exchange.reply.text for exchange in self.exchanges)

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
    """A whole conversation, played to its end or as far as it came, with what its judges were asked.

    `set_aside` are replies that were paid for and asked for again, because they could not be used: they are
    part of no turn, and of what the conversation used and cost.
    """

    started: Started
    turns: tuple[TurnRecord, ...]
    checks: tuple[CheckResult, ...] = ()
    outcome: Outcome
    error: str | None = None
    error_turn: int | None = None
    warnings: tuple[str, ...] = ()
    judge_exchanges: tuple[Exchange, ...] = ()
    set_aside: tuple[Exchange, ...] = ()
    duration_s: float | None = None
    uncertain_usd: Decimal = Decimal(0)

    @property
    def broken_rules(self) -> tuple[CheckResult, ...]:
        """The checks that must hold and failed."""
        checks = (check for turn in self.turns for check in turn.checks)
        found = (*checks, *self.checks)
        return tuple(check for check in found if check.must and check.status is Status.FAILED)

    @property
    def played_out(self) -> bool:
        """Whether the script was played to its end: every turn of it was sent, or left out as it says."""
        return all(turn.sent or turn.left_out for turn in self.turns)

    @property
    def reply_turns(self) -> tuple[TurnRecord, ...]:
        """The turns that have a reply, in order, and those that would have had one and were left out.

        So the n-th of them is the same turn in every repeat, as long as the script is played.
        """
        return tuple(turn for turn in self.turns if turn.exchanges or (turn.left_out and turn.role == "user"))

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        return tuple(exchange for turn in self.turns for exchange in turn.exchanges)

    @property
    def paid_exchanges(self) -> tuple[Exchange, ...]:
        """The exchanges of the conversation with those that were set aside."""
        return (*self.exchanges, *self.set_aside)

    @property
    def usage(self) -> Usage:
        return total(exchange.reply.usage for exchange in self.paid_exchanges)

    @property
    def cost_usd(self) -> Decimal | None:
        """What the replies cost; None where one of them has no known price."""
        return total_cost(exchange.cost_usd for exchange in self.paid_exchanges)

    @property
    def judge_usage(self) -> Usage:
        """What the judges used; it is not part of `usage`."""
        return total(exchange.reply.usage for exchange in self.judge_exchanges)

    @property
    def judge_cost_usd(self) -> Decimal | None:
        """What the judges cost; None where one of them has no known price."""
        return total_cost(exchange.cost_usd for exchange in self.judge_exchanges)

    @property
    def simulated(self) -> bool:
        return any(exchange.simulated for exchange in (*self.paid_exchanges, *self.judge_exchanges))

    @property
    def replayed(self) -> bool:
        return any(exchange.replayed for exchange in (*self.exchanges, *self.judge_exchanges))


def total_cost(costs: Iterable[Decimal | None]) -> Decimal | None:
    """Sum costs in US dollars; one unknown makes the sum unknown."""
    result = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        result += cost
    return result
