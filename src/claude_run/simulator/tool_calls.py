"""The calls that the simulator makes: those that a turn's `calls_tool` names, so that a script plays on.

A scenario says which tools a right reply calls, and what they answer; no other syntax is needed to try it out
without a key. What is not said of an input is made up from the tool's schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from claude_run.checks.json_schema import TooMuchWorkError
from claude_run.checks.tool_checks import fits, wanted_calls
from claude_run.conversation.script import generated_turns
from claude_run.conversation.tools import ToolCall, holds
from claude_run.scenario.model import EMPTY, UserTurn
from claude_run.scenario.tools import CALLS_TOOL
from claude_run.simulator.replies import simplest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.scenario.model import Expectation, Json, JsonObject

_TEXT = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCalls:
    """The calls of one turn as `tool_use` blocks: those with results come first, the others end the turn."""

    answered: tuple[JsonObject, ...] = ()
    final: tuple[JsonObject, ...] = ()


def planned_calls(
    conversation: Conversation, turn: int, renderer: TextRenderer, *, prefix: str
) -> PlannedCalls:
    """Return what the reply to a turn should call; `prefix` makes the ids of the calls unique.

    What is expected of the whole conversation is called in its last turn, but for what the turns call before.
    """
    tools = [tool for tool in _items(conversation.params.get("tools")) if isinstance(tool, Mapping)]
    wanted = _wanted(conversation, turn, renderer)
    found = (_made_up(conversation, each, tools, renderer) for each in wanted)
    made = [call for call in found if call is not None]
    blocks: list[JsonObject] = [
        {"type": "tool_use", "id": f"{prefix}_{number}", "name": call.name, "input": call.input}
        for number, call in enumerate(made, 1)
    ]
    has_results = conversation.tool_results.by_tool
    return PlannedCalls(
        answered=tuple(block for block in blocks if block["name"] in has_results),
        final=tuple(block for block in blocks if block["name"] not in has_results),
    )


def _wanted(conversation: Conversation, turn: int, renderer: TextRenderer) -> Iterator[JsonObject]:
    """Yield the calls that a turn should make; one that another one is already is not made twice."""
    said = conversation.turns[turn]
    wanted = list(_named(said.expect, renderer)) if isinstance(said, UserTurn) else []
    generated = generated_turns(conversation.turns)
    if turn == generated[-1]:
        before = [
            one
            for index in generated
            if isinstance(each := conversation.turns[index], UserTurn)
            for one in _named(each.expect, renderer)
        ]
        wanted += [
            one
            for one in _named(conversation.expect, renderer)
            if not any(_is_said_by(one, other) for other in before)
        ]
    for number, one in enumerate(wanted):
        others = wanted[:number] + [other for other in wanted[number + 1 :] if other != one]
        if not any(_is_said_by(one, other) for other in others):
            yield one


def _is_said_by(one: JsonObject, other: JsonObject) -> bool:
    """Return whether whoever makes the other call has made this one."""
    return (
        ("name" not in one or one["name"] == other.get("name"))
        and holds(other.get("input", {}), one.get("input", {}))
        and ("schema" not in one or one["schema"] == other.get("schema"))
    )


def _named(expectations: Iterable[Expectation], renderer: TextRenderer) -> Iterator[JsonObject]:
    """Yield the calls that must be made: those inside of `not` must not, and one of `any_of` is enough."""
    for expectation in expectations:
        if expectation.kind == CALLS_TOOL:
            yield from wanted_calls(renderer.fill_json(expectation.value))
        elif expectation.kind == "all_of":
            yield from _named(expectation.children, renderer)
        elif expectation.kind == "any_of":
            yield from _named(expectation.children[:1], renderer)


def _made_up(
    conversation: Conversation, wanted: JsonObject, tools: Sequence[JsonObject], renderer: TextRenderer
) -> ToolCall | None:
    """Return a call that fits what is wanted and that a result fits, if there is any; None without a tool."""
    name = wanted.get("name") or (tools[0].get("name") if tools else None)
    if name is None:
        return None
    tool = next((tool for tool in tools if tool.get("name") == name), EMPTY)
    least = _merged(_required(tool.get("input_schema")), _required(wanted.get("schema")))
    asked = cast("JsonObject", wanted.get("input", EMPTY))
    whens = [
        cast("JsonObject", renderer.fill_json(result.when))
        for result in conversation.tool_results.by_tool.get(str(name), ())
    ]
    # The first input that both what is expected and a result can do with.
    for when in (*whens, EMPTY):
        call = ToolCall(id="", name=str(name), input=_merged(_merged(least, when), asked))
        try:
            if holds(call.input, when) and fits(wanted, call):
                return call
        except TooMuchWorkError:
            continue
    return ToolCall(id="", name=str(name), input=_merged(least, asked))


def _required(schema: Json) -> JsonObject:
    """Return the simplest object that has all that a schema requires, and nothing else."""
    if not isinstance(schema, Mapping):
        return EMPTY
    parts = schema.get("properties")
    properties = parts if isinstance(parts, Mapping) else EMPTY
    required = (str(key) for key in _items(schema.get("required")))
    return {key: simplest(properties.get(key, True), _TEXT, root=schema) for key in required}


def _merged(under: JsonObject, over: JsonObject) -> dict[str, Json]:
    """Return both objects in one; where both have a value, objects are merged and others overruled."""
    merged = dict(under)
    for key, value in over.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(before, value) if both else value  # type: ignore[arg-type] # both are objects
    return merged


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
