"""Subjects, replies and expectations for the tests of the checks."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_run.checks.registry import default_registry
from claude_run.checks.subject import Subject
from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.transcript import TurnRecord
from claude_run.conversation.usage import Usage
from claude_run.scenario.model import Expectation, Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.conversation.results import CheckResult
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.vocabulary import Place, Problem, Slot, ValuePath

REGISTRY = default_registry()
HERE = Position(path="scenarios/a.yaml", line=7, column=9)
WRAPPERS = {"not", "any_of", "all_of"}


def subject(text: str = "", **facts: Any) -> Subject:
    """Return a reply with this text and with harmless numbers."""
    known: dict[str, Any] = {
        "stop_reason": "end_turn",
        "latency_s": 1.5,
        "cost_usd": Decimal("0.002"),
        "usage": Usage(input_tokens=12, output_tokens=34),
    }
    return Subject(text=text, **(known | facts))


def expectation(
    kind: str, value: Json = None, *children: Expectation, label: str | None = None
) -> Expectation:
    """Return an expectation at a fixed place."""
    return Expectation(kind=kind, value=value, children=children, label=label, position=HERE)


def found(kind: str, value: Json, judged: Subject | str) -> CheckResult:
    """Evaluate one expectation without templates."""
    whole = subject(judged) if isinstance(judged, str) else judged
    return REGISTRY.evaluate(expectation(kind, value), whole, unfilled)


def status(kind: str, value: Json, judged: Subject | str) -> str:
    """Return only the status of one expectation."""
    return found(kind, value, judged).status.value


def problems(kind: str, value: Json, *, place: Place = "turn") -> Sequence[Problem]:
    """Return what is wrong with a value, on a turn unless said otherwise."""
    return REGISTRY.problems(kind, value, place=place)


def slots(kind: str, value: Json) -> list[tuple[ValuePath, str, str]]:
    """Return the templates of a value: each with its place, and what it becomes."""
    return [(slot.path, slot.source, slot.into.value) for slot in REGISTRY.templates(kind, value)]


def unfilled(slot: Slot) -> Json:
    """Leave a template as it is written."""
    return slot.source


def spelt(problem: Problem) -> str:
    """Return a problem on one line, for golden texts."""
    place = "/".join(map(str, problem.path)) or "."
    return f"{place}: {problem.message}" + (f" ({problem.hint})" if problem.hint else "")


def exchange(
    text: str, *, stop_reason: str = "end_turn", cost: str | None = "0.001", output_tokens: int = 5
) -> Exchange:
    """Return one answered request that took a second."""
    body = {
        "type": "message",
        "role": "assistant",
        "id": "msg_1",
        "model": "claude-haiku-5-5",
        "content": [{"type": "thinking", "thinking": ""}, {"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "usage": {"input_tokens": 3, "output_tokens": output_tokens},
    }
    return Exchange(
        turn=0,
        key="k",
        sent=(),
        reply=Reply.from_body(body),
        latency_s=1.0,
        cost_usd=None if cost is None else Decimal(cost),
    )


def record(*exchanges: Exchange) -> TurnRecord:
    """Return a user turn with these exchanges."""
    return TurnRecord(index=1, role="user", content="hi", sent=bool(exchanges), exchanges=exchanges)
