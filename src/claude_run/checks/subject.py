"""What is judged: one reply, or the replies of a whole conversation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claude_run.conversation.transcript import total_cost
from claude_run.conversation.usage import Usage, total

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from claude_run.checks.judge_question import Grade
    from claude_run.checks.kind import Finding
    from claude_run.conversation.transcript import TurnRecord
    from claude_run.scenario.json_values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The facts that checks look at.

    `stop_reason` is None where there was no reply, and then nothing can be judged. `cost_usd` is None where
    the model has no known price. `name` is what messages call the subject. `grades` are what judges say of
    it, by the digest of the question, and `findings` what own checks have found, by `question_key`.
    """

    text: str
    stop_reason: str | None
    latency_s: float
    cost_usd: Decimal | None
    usage: Usage
    content: tuple[JsonObject, ...] = ()
    name: str = "the reply"
    grades: Mapping[str, Grade] = field(default_factory=dict)
    findings: Mapping[str, Finding] = field(default_factory=dict)

    @classmethod
    def of_turn(cls, record: TurnRecord) -> Subject:
        """Take one turn with all its exchanges: texts and blocks in order, numbers as sums."""
        return cls(
            text=record.text,
            stop_reason=record.reply.stop_reason if record.reply else None,
            latency_s=record.latency_s,
            cost_usd=record.cost_usd,
            usage=record.usage,
            content=_blocks(record),
        )

    @classmethod
    def of_conversation(cls, turns: Sequence[TurnRecord]) -> Subject:
        """Take every turn that was answered: texts joined by a blank line, the last stop reason, sums."""
        answered = [turn for turn in turns if turn.reply]
        reply = answered[-1].reply if answered else None
        return cls(
            text="\n\n".join(turn.text for turn in answered),
            stop_reason=reply.stop_reason if reply else None,
            latency_s=sum(turn.latency_s for turn in answered),
            cost_usd=total_cost(turn.cost_usd for turn in answered),
            usage=total(turn.usage for turn in answered),
            content=tuple(block for turn in answered for block in _blocks(turn)),
            name="the conversation",
        )


def _blocks(record: TurnRecord) -> tuple[JsonObject, ...]:
    return tuple(block for exchange in record.exchanges for block in exchange.reply.content)
