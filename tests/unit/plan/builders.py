"""Small scenarios, conversations and a renderer for the tests of the plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from claude_run.conversation.exchange import Exchange, Reply, Request
from claude_run.conversation.identity import PARTS, Identity
from claude_run.conversation.script import Conversation
from claude_run.scenario.model import ModelChoice, Position, Save, Scenario, Text, Turn, UserTurn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Expectation

PRICED = (
    "claude-fable-5-2",
    "claude-mythos-5-2",
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-fable-5-1",
    "claude-fable-5",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-opus-4-8",
    "claude-opus-4-7",
    "claude-opus-4-6",
    "claude-sonnet-4-6",
    "claude-opus-4-5",
    "claude-haiku-4-5",
    "claude-sonnet-4-5",
)


def at(line: int, column: int = 1, path: str = "s.yaml") -> Position:
    """Give a place in a scenario file."""
    return Position(path=path, line=line, column=column)


def text(source: str) -> Text:
    """Give a template at some place."""
    return Text(source=source, position=at(1))


def user(source: str = "Hello", **fields: Any) -> UserTurn:
    """Give a user turn."""
    return UserTurn(**{"content": text(source), "position": at(20), **fields})


def model(name: str, label: str | None = None, **fields: Any) -> ModelChoice:
    """Give a model as a scenario lists it."""
    return ModelChoice(id=name, label=label or name, **fields)


def scenario(name: str = "greet", **fields: Any) -> Scenario:
    """Give a scenario of one user turn on one model, but for the fields given."""
    defaults: dict[str, Any] = {
        "path": f"{name}.yaml",
        "sha256": f"sha-of-{name}",
        "position": at(1, path=f"{name}.yaml"),
        "turns": (user(),),
        "models": (model("claude-haiku-5-5"),),
    }
    return Scenario(name=name, **{**defaults, **fields})


def conversation(*turns: Turn, **fields: Any) -> Conversation:
    """Give a conversation of these turns on the cheapest model."""
    defaults: dict[str, Any] = {
        "position": at(1),
        "params": {"max_tokens": 100},
    }
    identity: dict[str, Any] = {
        "id": "greet/claude-haiku-5-5",
        "scenario": "greet",
        "path": "greet.yaml",
        "model": "claude-haiku-5-5",
        "model_label": "claude-haiku-5-5",
    }
    identity.update({name: fields.pop(name) for name in ("id", *PARTS) if name in fields})
    who = Identity(**identity)
    return Conversation(identity=who, turns=turns or (user(),), **{**defaults, **fields})


def request(messages: Any = None, **body: Any) -> Request:
    """Give a request of one short message."""
    defaults: dict[str, Any] = {"model": "claude-haiku-5-5", "max_tokens": 100}
    return Request(body={**defaults, "messages": messages or [{"role": "user", "content": "Hi"}], **body})


def exchange(answered: Request, content: str = "Fine.", **usage: Any) -> Exchange:
    """Give an answered request with this text and usage."""
    body = {
        "type": "message",
        "role": "assistant",
        "id": "msg_1",
        "model": answered.model,
        "content": [{"type": "text", "text": content}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 0, "output_tokens": 0, **usage},
    }
    return Exchange(turn=0, key="k", sent=(), reply=Reply.from_body(body))


class PlainRenderer:
    """A renderer that knows `{{ saved.x }}` and nothing else, and counts what it renders."""

    def __init__(self) -> None:
        self.rendered = 0

    def render(self, text: Text, saved: Mapping[str, str]) -> str:
        self.rendered += 1
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
