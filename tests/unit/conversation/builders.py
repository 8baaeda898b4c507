"""Small scripts, replies and plays for the tests of conversations and of their records."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from claude_run.conversation.events import Asked, Attempted, Ended, Replied, Started
from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.identity import PARTS, Identity
from claude_run.conversation.results import CheckResult, Outcome, Status
from claude_run.conversation.script import Conversation
from claude_run.conversation.steps import Finish, Send, next_step, role_of, system_blocks
from claude_run.scenario.model import AssistantTurn, Position, Save, SystemTurn, Text, Turn, UserTurn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from claude_run.conversation.events import Event
    from claude_run.conversation.steps import Step
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Expectation

MODEL = "claude-haiku-5-5"
AT = "2026-11-23T07:00:00.000Z"
COST = Decimal("0.0001")
WORST = Decimal("0.01")


def at(line: int = 1) -> Position:
    """Give a place in a scenario file."""
    return Position(path="s.yaml", line=line, column=3)


def text(source: str) -> Text:
    """Give a text that the user wrote."""
    return Text(source=source, position=at())


def user(content: str | tuple[Any, ...] = "Hello", **fields: Any) -> UserTurn:
    """Give a user turn of a text or of blocks."""
    return UserTurn(content=text(content) if isinstance(content, str) else content, position=at(), **fields)


def assistant(source: str = "Scripted.") -> AssistantTurn:
    """Give a scripted assistant turn."""
    return AssistantTurn(content=text(source), position=at())


def system(source: str = "Be brief.") -> SystemTurn:
    """Give an instruction in mid-conversation."""
    return SystemTurn(content=text(source), position=at())


def save(name: str, pattern: str) -> Save:
    """Give a `save` entry."""
    return Save(name=name, pattern=pattern, position=at())


def script(*turns: Turn, **fields: Any) -> Conversation:
    """Give a conversation of these turns; the cache is off unless a field says otherwise."""
    defaults: dict[str, Any] = {
        "position": at(),
        "params": {"max_tokens": 100},
        "cache": "off",
    }
    identity = {name: fields.pop(name) for name in ("id", *PARTS) if name in fields}
    return Conversation(turns=turns, identity=who(**identity), **{**defaults, **fields})


def who(**fields: Any) -> Identity:
    """Give the identity of a conversation."""
    defaults: dict[str, Any] = {
        "id": "greet/claude-haiku-5-5",
        "scenario": "greet",
        "path": "greet.yaml",
        "model": MODEL,
        "model_label": MODEL,
    }
    return Identity(**{**defaults, **fields})


def body(content: str | list[Any] = "Fine.", stop_reason: str = "end_turn", **fields: Any) -> dict[str, Json]:
    """Give the raw message of a reply with this text or these blocks."""
    blocks: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": blocks,
        "stop_reason": stop_reason,
        "usage": {"input_tokens": 10, "output_tokens": 2},
        **fields,
    }


def answered(conversation: Conversation, step: Send, reply: JsonObject, **fields: Any) -> Exchange:
    """Give the exchange of a step that got this reply at the first attempt."""
    defaults: dict[str, Any] = {"cost_usd": COST, "latency_s": 0.5, "request_id": "req_1", "received_at": AT}
    return Exchange(
        turn=step.turn,
        key=step.request.key(conversation.identity.key_parts),
        sent=step.sent,
        reply=Reply.from_body(reply),
        **{**defaults, **fields},
    )


def play(
    conversation: Conversation, replies: Iterable[JsonObject], limit: int = 1000
) -> tuple[list[Step], list[Exchange]]:
    """Play a script against these replies until it finishes or no reply is left; give all steps."""
    steps: list[Step] = []
    exchanges: list[Exchange] = []
    queue = iter(replies)
    while len(steps) < limit:
        step = next_step(conversation, exchanges, PlainRenderer())
        steps.append(step)
        reply = None if isinstance(step, Finish) else next(queue, None)
        if isinstance(step, Finish) or reply is None:
            return steps, exchanges
        exchanges.append(answered(conversation, step, reply))
    raise AssertionError(f"no end after {limit} steps")


def sends(steps: Sequence[Step]) -> list[Send]:
    """Give the steps that send something."""
    return [step for step in steps if isinstance(step, Send)]


def messages(step: Step) -> Any:
    """Give the messages of a request."""
    assert isinstance(step, Send)
    return step.request.body["messages"]


def started(conversation: Conversation, **fields: Any) -> Started:
    """Give the event that a conversation begins with."""
    defaults: dict[str, Any] = {
        "identity": conversation.identity,
        "vars": dict(conversation.vars),
        "tags": conversation.tags,
        "system": system_blocks(conversation, PlainRenderer()) or None,
        "params": conversation.params,
        "roles": tuple(map(role_of, conversation.turns)),
        "at": AT,
    }
    return Started(**{**defaults, **fields})


def exchange_events(conversation: Conversation, step: Send, reply: JsonObject | None) -> list[Event]:
    """Give what the journal keeps of one request: sent once, and answered where there is a reply."""
    where: dict[str, Any] = {
        "conversation_id": conversation.id,
        "turn": step.turn,
        "key": step.request.key(conversation.identity.key_parts),
    }
    return [
        Asked(**where, sent=step.sent),
        Attempted(**where, n=1, worst_cost_usd=WORST, at=AT),
        *([] if reply is None else [replied(**where, reply=Reply.from_body(reply))]),
    ]


def replied(**fields: Any) -> Replied:
    """Give a reply to the first attempt."""
    defaults: dict[str, Any] = {
        "n": 1,
        "reply": Reply.from_body(body()),
        "request_id": "req_1",
        "latency_s": 0.5,
        "cost_usd": COST,
        "simulated": False,
        "replayed": False,
        "at": AT,
    }
    return Replied(**{**defaults, **fields})


def ended(conversation_id: str = "greet/claude-haiku-5-5", **fields: Any) -> Ended:
    """Give the end of a conversation that passed."""
    defaults: dict[str, Any] = {
        "outcome": Outcome.PASSED,
        "error": None,
        "error_turn": None,
        "warnings": (),
        "turn_checks": (),
        "checks": (),
        "duration_s": 1.5,
        "at": AT,
    }
    return Ended(conversation_id=conversation_id, **{**defaults, **fields})


def events_of(conversation: Conversation, replies: Iterable[JsonObject], *, end: bool = True) -> list[Event]:
    """Give the events of a play against these replies; a request that none was left for is under way."""
    steps, exchanges = play(conversation, replies)
    events: list[Event] = [started(conversation)]
    for step, exchange in zip_longest(sends(steps), exchanges):
        events += exchange_events(conversation, step, exchange.reply.body if exchange else None)
    return [*events, ended(conversation.id)] if end else events


def check(status: Status = Status.PASSED, **fields: Any) -> CheckResult:
    """Give the result of a check."""
    return CheckResult(kind="contains", status=status, message="about '30 days'", position=at(12), **fields)


class PlainRenderer:
    """A renderer that knows `{{ saved.x }}` and nothing else, and finds with `re`."""

    def render(self, text: Text, saved: Mapping[str, str]) -> str:
        return re.sub(r"\{\{ saved\.(\w+) \}\}", lambda match: saved[match[1]], text.source)

    def fill_json(self, value: Json) -> Json:
        return value

    def extract(self, save: Save, text: str, saved: Mapping[str, str]) -> str | None:  # noqa: ARG002 - the signature is the Protocol's
        match = re.search(save.pattern, text)
        return match[0] if match else None

    def fits(
        self,
        condition: Sequence[Expectation],
        replies: Sequence[Exchange],
        saved: Mapping[str, str],  # noqa: ARG002 - the signature is the Protocol's
    ) -> bool:
        return all(str(each.value) in replies[-1].reply.text for each in condition)
